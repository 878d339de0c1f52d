import { useCallback, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { LanguageSelect } from "../i18n/LanguageSelect";
import { useAccess, useSettings } from "../settings/use_settings";
import { IconButton } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { Header } from "../ui/Header";
import { FolderIcon, SettingsIcon } from "../ui/icons";
import { Link } from "../ui/Link";
import { CreateNotebook } from "./CreateNotebook";
import { keepAs } from "./download";
import { EntryRow, type Change } from "./EntryRow";
import { NewFolder } from "./NewFolder";
import { SessionLists } from "./SessionLists";
import { UploadButton, UploadList, useDropping } from "./Uploads";
import { useUploads } from "./use_uploads";
import { api, toWireError, type Listing } from "../wire/http";
import type { FileEntry, WireError } from "../wire/types";

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
  // What was done last, for screen readers, and where the keyboard goes on.
  const [last, setLast] = useState<Change | null>(null);
  const [goOn, setGoOn] = useState<string | null>(null);
  const list = useRef<HTMLUListElement>(null);
  const changed = (change: Change) => {
    setLast(change);
    setGoOn(change.path ?? null);
    setChanges((count) => count + 1);
    if (change.path === undefined) list.current?.focus();
  };
  const wentOn = useCallback(() => setGoOn(null), []);
  useEffect(() => {
    setQuery("");
    setListing(null);
    setLast(null);
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
            {mayWrite && <NewFolder dir={dir} onMade={changed} />}
            <CreateNotebook dir={dir} admin={access?.scope === "admin" && access.session_id === undefined} />
          </div>
        </div>
        {dropping.over && <p className="drop-here">{t("files.drop")}</p>}
        <UploadList uploading={uploading} />
        {error && <ErrorNote error={error} />}
        <p className="visually-hidden" role="status" data-testid="files-said">
          {last && t(last.done, { name: last.name })}
        </p>
        {listing && <input className="search" type="search" value={query} onChange={(event) => setQuery(event.target.value)} placeholder={t("files.search")} aria-label={t("files.search")} data-testid="search" />}
        {listing && (
          <ul className="files" data-testid="files" aria-label={t("files.list")} tabIndex={-1} ref={list}>
            {dir && !wanted && (
              <li>
                <Link to={{ dir: parentOf(dir) }} className="file" label={t("files.parent")}>
                  <FolderIcon /> <span className="file-name">..</span>
                </Link>
              </li>
            )}
            {entries.map((entry) => (
              <li key={entry.path}>
                <EntryRow entry={entry} mayChange={mayWrite} focused={goOn === entry.path} onFocused={wentOn} onDownload={download} onChanged={changed} />
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
