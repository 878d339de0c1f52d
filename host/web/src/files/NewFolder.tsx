import { useEffect, useRef, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { NewFolderIcon } from "../ui/icons";
import { api, toWireError } from "../wire/http";
import type { WireError } from "../wire/types";
import type { Change } from "./EntryRow";

/** A folder in the one that is shown. */
export function NewFolder({ dir, onMade }: { dir: string; onMade(change: Change): void }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const [name, setName] = useState("");
  const [error, setError] = useState<WireError | null>(null);
  const holder = useRef<HTMLSpanElement>(null);
  const close = () => {
    setOpen(false);
    setName("");
    setError(null);
  };
  const back = useRef(false);
  useEffect(() => {
    if (open || !back.current) return;
    back.current = false;
    holder.current?.querySelector("button")?.focus();
  }, [open]);
  const cancel = () => {
    back.current = true;
    close();
  };
  const wanted = name.trim();
  const make = async (event: FormEvent) => {
    event.preventDefault();
    if (wanted === "") return;
    const path = dir ? `${dir}/${wanted}` : wanted;
    setError(null);
    try {
      await api.makeFolder(path);
      close();
      onMade({ done: "files.folder_made", name: wanted, path });
    } catch (reason) {
      setError(toWireError(reason));
    }
  };
  if (!open) {
    return (
      <span ref={holder}>
        <Button onClick={() => setOpen(true)} testId="new-folder">
          <NewFolderIcon /> {t("files.new_folder")}
        </Button>
      </span>
    );
  }
  return (
    <form className="create" onSubmit={(event) => void make(event)} onKeyDown={(event) => event.key === "Escape" && cancel()}>
      <label>
        <span className="visually-hidden">{t("files.folder_name")}</span>
        <input value={name} onChange={(event) => setName(event.target.value)} placeholder={t("files.folder_name")} autoFocus data-testid="folder-name" />
      </label>
      <Button kind="primary" type="submit" disabled={wanted === ""} testId="make-folder">
        {t("files.create")}
      </Button>
      <Button onClick={cancel}>{t("app.cancel")}</Button>
      {error && <ErrorNote error={error} />}
    </form>
  );
}
