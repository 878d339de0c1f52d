import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { day, since, timeOfDay } from "../i18n";
import { IconButton } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { DownloadIcon, FileIcon, FolderIcon, MoreIcon, NotebookIcon } from "../ui/icons";
import { Link } from "../ui/Link";
import { Menu } from "../ui/Menu";
import { api, toWireError } from "../wire/http";
import type { FileEntry, WireError } from "../wire/types";
import { DeleteAsk } from "./DeleteAsk";
import { RenameForm } from "./RenameForm";

/** What was done to the folder; `path` is what is there now, absent when nothing is. */
export interface Change {
  done: "files.renamed" | "files.deleted" | "files.folder_made";
  name: string;
  path?: string;
}

interface EntryRowProps {
  entry: FileEntry;
  mayChange: boolean;
  /** The keyboard goes on here, once. */
  focused: boolean;
  onFocused(): void;
  onDownload(entry: FileEntry): void;
  onChanged(change: Change): void;
}

/** A file or folder: open it, take it out, give it another name, delete it. */
export function EntryRow({ entry, mayChange, focused, onFocused, onDownload, onChanged }: EntryRowProps) {
  const { t } = useTranslation();
  const [doing, setDoing] = useState<"rename" | "delete" | "delete-all" | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<WireError | null>(null);
  const row = useRef<HTMLDivElement>(null);
  const back = useRef(false);
  useEffect(() => {
    if (!focused && (doing !== null || !back.current)) return;
    back.current = false;
    row.current?.querySelector<HTMLElement>("[data-testid=file-actions]")?.focus();
    if (focused) onFocused();
  }, [focused, doing, onFocused]);
  const cancel = () => {
    back.current = true;
    setDoing(null);
    setError(null);
  };
  const run = async (work: () => Promise<unknown>, change: Change) => {
    setBusy(true);
    setError(null);
    try {
      await work();
      setDoing(null);
      onChanged(change);
    } catch (reason) {
      const refused = toWireError(reason);
      if (refused.code === "folder_not_empty") setDoing("delete-all");
      else setError(refused);
    } finally {
      setBusy(false);
    }
  };
  const rename = (name: string) => {
    const folder = entry.path.slice(0, entry.path.length - entry.name.length);
    if (name === entry.name) return cancel();
    void run(() => api.renameFile(entry.path, folder + name), { done: "files.renamed", name, path: folder + name });
  };
  const remove = (all: boolean) => void run(() => api.deleteFile(entry.path, all), { done: "files.deleted", name: entry.name });
  const begin = (what: "rename" | "delete") => {
    setError(null);
    setDoing(what);
  };
  return (
    <div ref={row} data-testid="file-entry">
      <div className="file-row">
        {doing === "rename" ? (
          <RenameForm name={entry.name} folder={entry.type === "directory"} busy={busy} onRename={rename} onCancel={cancel} />
        ) : (
          <>
            <Name entry={entry} />
            {mayChange && entry.type !== "directory" && (
              <IconButton label={t("files.download_named", { name: entry.name })} onClick={() => onDownload(entry)} testId="download">
                <DownloadIcon />
              </IconButton>
            )}
            {mayChange && (
              <Menu
                inRow
                label={t("files.actions_named", { name: entry.name })}
                testId="file-actions"
                items={[
                  { label: t("files.rename"), onSelect: () => begin("rename"), testId: "rename" },
                  { label: t("files.delete"), onSelect: () => begin("delete"), testId: "delete" },
                ]}
              >
                <MoreIcon />
              </Menu>
            )}
          </>
        )}
      </div>
      {(doing === "delete" || doing === "delete-all") && <DeleteAsk key={doing} name={entry.name} all={doing === "delete-all"} busy={busy} onDelete={() => remove(doing === "delete-all")} onCancel={cancel} />}
      {error && (
        <div className="file-said">
          <ErrorNote error={error} onDismiss={() => setError(null)} />
        </div>
      )}
    </div>
  );
}

function Name({ entry }: { entry: FileEntry }) {
  const details = <span className="soft" title={entry.modified ? `${day(entry.modified)} ${timeOfDay(entry.modified)}` : undefined}>{entry.modified ? since(entry.modified) : ""}</span>;
  const name = <span className="file-name">{entry.name}</span>;
  if (entry.type === "file") {
    return (
      <div className="file file-other">
        <FileIcon /> {name} {details}
      </div>
    );
  }
  return (
    <Link to={entry.type === "notebook" ? { path: entry.path } : { dir: entry.path }} className="file">
      {entry.type === "notebook" ? <NotebookIcon /> : <FolderIcon />} {name} {details}
    </Link>
  );
}
