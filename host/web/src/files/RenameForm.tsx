import { useLayoutEffect, useRef, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "../ui/Button";

interface RenameFormProps {
  name: string;
  folder: boolean;
  busy: boolean;
  onRename(name: string): void;
  onCancel(): void;
}

/** The name of a row as a field; what comes before its end is selected. */
export function RenameForm({ name, folder, busy, onRename, onCancel }: RenameFormProps) {
  const { t } = useTranslation();
  const [next, setNext] = useState(name);
  const wanted = next.trim();
  const dot = name.lastIndexOf(".");
  const stem = folder || dot <= 0 ? name.length : dot;
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(0, stem);
  }, [stem]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (wanted !== "" && !busy) onRename(wanted);
  };
  return (
    <form className="rename" onSubmit={submit} onKeyDown={(event) => event.key === "Escape" && onCancel()}>
      <input value={next} onChange={(event) => setNext(event.target.value)} ref={field} aria-label={t("files.rename_named", { name })} data-testid="rename-name" />
      <Button kind="primary" type="submit" disabled={wanted === "" || busy} testId="rename-do">
        {t("files.rename")}
      </Button>
      <Button onClick={onCancel}>{t("app.cancel")}</Button>
    </form>
  );
}
