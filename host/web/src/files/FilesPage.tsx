import { useEffect, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { day, say, since, timeOfDay } from "../i18n";
import { LanguageSelect } from "../i18n/LanguageSelect";
import { useAccess, useSettings } from "../settings/use_settings";
import { Button, IconButton } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { Header } from "../ui/Header";
import { DownloadIcon, FileIcon, FolderIcon, NotebookIcon, PlusIcon, SettingsIcon } from "../ui/icons";
import { Link } from "../ui/Link";
import { keepAs } from "./download";
import { SessionLists } from "./SessionLists";
import { UploadButton, UploadList, useDropping } from "./Uploads";
import { useUploads } from "./use_uploads";
import { navigate } from "../ui/navigation";
import { api, toWireError, type Listing } from "../wire/http";
import type { FileEntry, RuntimeRow, WireError } from "../wire/types";

const ORDER: Record<FileEntry["type"], number> = { directory: 0, notebook: 1, file: 2 };

function byKindAndName(a: FileEntry, b: FileEntry): number {
  return ORDER[a.type] - ORDER[b.type] || a.name.localeCompare(b.name, undefined, { numeric: true });
}

function parentOf(dir: string): string {
  return dir.includes("/") ? dir.slice(0, dir.lastIndexOf("/")) : "";
}

/** The served folder: its notebooks, and a new one. */
export function FilesPage({ dir }: { dir: string }) {
  const { t } = useTranslation();
  const [listing, setListing] = useState<Listing | null>(null);
  const [error, setError] = useState<WireError | null>(null);
  const [query, setQuery] = useState("");
  const [changes, setChanges] = useState(0);
  const settings = useSettings();
  const access = useAccess();
  const mayWrite = access !== null && access.session_id === undefined && (access.scope === "edit" || access.scope === "admin");
  const uploading = useUploads(dir, () => setChanges((count) => count + 1));
  const dropping = useDropping(mayWrite ? uploading : null);
  useEffect(() => {
    setQuery("");
    setListing(null);
  }, [dir]);
  useEffect(() => {
    let current = true;
    document.title = "Lectern";
    setError(null);
    api.files(dir).then(
      (found) => current && setListing(found),
      (reason: unknown) => current && setError(toWireError(reason)),
    );
    return () => {
      current = false;
    };
  }, [dir, changes]);
  const download = (entry: FileEntry) => {
    setError(null);
    api.fileBytes(entry.path).then(
      (bytes) => keepAs(entry.name, bytes),
      (reason: unknown) => setError(toWireError(reason)),
    );
  };
  const wanted = query.trim().toLocaleLowerCase();
  const entries = (listing?.entries ?? []).filter((entry) => entry.name.toLocaleLowerCase().includes(wanted)).sort(byKindAndName);
  return (
    <>
      <div className="sticky">
        <Header title={dir || t("app.notebooks")}>
          {settings.open && (
            <IconButton label={t("settings.title")} onClick={settings.open} testId="open-settings">
              <SettingsIcon />
            </IconButton>
          )}
          <LanguageSelect />
        </Header>
      </div>
      {settings.dialog}
      <div className={dropping.over ? "files-layout files-over" : "files-layout"} data-testid="files-drop" {...dropping.handlers}>
      <main className="page">
        <div className="page-head">
          <h1 className="crumbs">
            <Crumbs dir={dir} />
          </h1>
          <div className="page-actions">
            {mayWrite && <UploadButton uploading={uploading} />}
            <CreateNotebook dir={dir} />
          </div>
        </div>
        {dropping.over && <p className="drop-here">{t("files.drop")}</p>}
        <UploadList uploading={uploading} />
        {error && <ErrorNote error={error} />}
        {listing && <input className="search" type="search" value={query} onChange={(event) => setQuery(event.target.value)} placeholder={t("files.search")} aria-label={t("files.search")} data-testid="search" />}
        {listing && (
          <ul className="files" data-testid="files">
            {dir && !wanted && (
              <li>
                <Link to={{ dir: parentOf(dir) }} className="file" label={t("files.parent")}>
                  <FolderIcon /> <span className="file-name">..</span>
                </Link>
              </li>
            )}
            {entries.map((entry) => (
              <li key={entry.path}>
                <Entry entry={entry} onDownload={mayWrite && entry.type !== "directory" ? () => download(entry) : undefined} />
              </li>
            ))}
            {entries.length === 0 && <li className="empty">{t(wanted ? "files.none_found" : "files.empty")}</li>}
          </ul>
        )}
      </main>
      <aside className="files-side" aria-label={t("panel.sessions")}>
        <SessionLists />
      </aside>
      </div>
    </>
  );
}

/** Where this is; each folder above is a link. */
function Crumbs({ dir }: { dir: string }) {
  const { t } = useTranslation();
  const names = dir ? dir.split("/") : [];
  if (names.length === 0) return t("app.notebooks");
  return (
    <>
      <Link to={{ dir: "" }}>{t("app.notebooks")}</Link>
      {names.map((name, at) => (
        <span key={at}>
          <span className="crumb-gap" aria-hidden="true">
            /
          </span>
          {at < names.length - 1 ? <Link to={{ dir: names.slice(0, at + 1).join("/") }}>{name}</Link> : name}
        </span>
      ))}
    </>
  );
}

function Entry({ entry, onDownload }: { entry: FileEntry; onDownload?: () => void }) {
  const { t } = useTranslation();
  const details = <span className="soft" title={entry.modified ? `${day(entry.modified)} ${timeOfDay(entry.modified)}` : undefined}>{entry.modified ? since(entry.modified) : ""}</span>;
  const name = <span className="file-name">{entry.name}</span>;
  return (
    <div className="file-row">
      {entry.type === "file" ? (
        <div className="file file-other">
          <FileIcon /> {name} {details}
        </div>
      ) : (
        <Link to={entry.type === "notebook" ? { path: entry.path } : { dir: entry.path }} className="file">
          {entry.type === "notebook" ? <NotebookIcon /> : <FolderIcon />} {name} {details}
        </Link>
      )}
      {onDownload && (
        <IconButton label={t("files.download_named", { name: entry.name })} onClick={onDownload} testId="download">
          <DownloadIcon />
        </IconButton>
      )}
    </div>
  );
}

const DEFAULT_RUNTIME = "jupyter/python3";

function CreateNotebook({ dir }: { dir: string }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const [name, setName] = useState(() => `${say("files.untitled")}.ipynb`);
  const [runtimes, setRuntimes] = useState<RuntimeRow[]>([]);
  const [runtime, setRuntime] = useState(DEFAULT_RUNTIME);
  const [error, setError] = useState<WireError | null>(null);
  useEffect(() => {
    if (!open) return;
    let current = true;
    const take = (known: RuntimeRow[]) => {
      if (!current) return;
      setRuntimes(known);
      if (known.length > 0 && !known.some(({ name: one }) => one === DEFAULT_RUNTIME)) setRuntime(known[0]!.name);
    };
    // Without the list there is still the usual one; what is wrong with it, creating will say.
    api.runtimes().then(take, () => undefined);
    return () => {
      current = false;
    };
  }, [open]);
  const create = async (event: FormEvent) => {
    event.preventDefault();
    const file = /\.(ipynb|py|md|qmd|r|jl)$/i.test(name) ? name : `${name}.ipynb`;
    const path = dir ? `${dir}/${file}` : file;
    setError(null);
    try {
      await api.create({ runtime, path });
      navigate({ path });
    } catch (reason) {
      setError(toWireError(reason));
    }
  };
  if (!open) {
    return (
      <Button kind="primary" onClick={() => setOpen(true)} testId="new-notebook">
        <PlusIcon /> {t("files.new")}
      </Button>
    );
  }
  return (
    <form className="create" onSubmit={(event) => void create(event)}>
      <label>
        <span className="visually-hidden">{t("files.name")}</span>
        <input value={name} onChange={(event) => setName(event.target.value)} autoFocus onFocus={(event) => event.target.select()} data-testid="new-name" />
      </label>
      {runtimes.length > 0 && (
        <label className="select">
          <span className="visually-hidden">{t("files.runtime")}</span>
          <select value={runtime} onChange={(event) => setRuntime(event.target.value)} data-testid="runtime">
            {runtimes.map((one) => (
              <option key={one.name} value={one.name}>
                {one.display_name || one.name}
              </option>
            ))}
          </select>
        </label>
      )}
      <Button kind="primary" type="submit" testId="create">
        {t("files.create")}
      </Button>
      <Button onClick={() => setOpen(false)}>{t("app.cancel")}</Button>
      {error && <ErrorNote error={error} />}
    </form>
  );
}
