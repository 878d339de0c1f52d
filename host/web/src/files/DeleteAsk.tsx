import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "../ui/Button";

interface DeleteAskProps {
  name: string;
  /** It is a folder with something in it. */
  all: boolean;
  busy: boolean;
  onDelete(): void;
  onCancel(): void;
}

/** Nothing is deleted by one key: the keyboard is at Cancel first. */
export function DeleteAsk({ name, all, busy, onDelete, onCancel }: DeleteAskProps) {
  const { t } = useTranslation();
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => holder.current?.querySelector<HTMLElement>("[data-testid=delete-keep]")?.focus(), []);
  const words = t(all ? "files.delete_all_sure" : "files.delete_sure", { name });
  return (
    <div className="file-said" ref={holder} onKeyDown={(event) => event.key === "Escape" && onCancel()}>
      <div className="trouble" role="group" aria-label={words}>
        <span>{words}</span>
        <div className="trouble-actions">
          <Button onClick={onDelete} disabled={busy} testId="delete-sure">
            {t(all ? "files.delete_all" : "files.delete")}
          </Button>
          <Button onClick={onCancel} testId="delete-keep">
            {t("app.cancel")}
          </Button>
        </div>
      </div>
    </div>
  );
}
