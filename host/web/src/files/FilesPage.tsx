import { useEffect, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { day, say } from "../i18n";
import { LanguageSelect } from "../i18n/LanguageSelect";
import { Button } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { Header } from "../ui/Header";
import { FileIcon, FolderIcon, NotebookIcon, PlusIcon } from "../ui/icons";
import { Link } from "../ui/Link";
import { navigate } from "../ui/navigation";
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
  useEffect(() => {
    let current = true;
    document.title = "Lectern";
    setListing(null);
    setError(null);
    api.files(dir).then(
      (found) => current && setListing(found),
      (reason: unknown) => current && setError(toWireError(reason)),
    );
    return () => {
      current = false;
    };
  }, [dir]);
  const entries = listing ? [...listing.entries].sort(byKindAndName) : [];
  return (
    <>
      <div className="sticky">
        <Header title={dir || t("app.notebooks")}>
          <LanguageSelect />
        </Header>
      </div>
      <main className="page">
        <div className="page-head">
          <h1>{dir ? dir.split("/").pop() : t("app.notebooks")}</h1>
          <CreateNotebook dir={dir} />
        </div>
        {error && <ErrorNote error={error} />}
        {listing && (
          <ul className="files" data-testid="files">
            {dir && (
              <li>
                <Link to={{ dir: parentOf(dir) }} className="file" label={t("files.parent")}>
                  <FolderIcon /> <span className="file-name">..</span>
                </Link>
              </li>
            )}
            {entries.map((entry) => (
              <li key={entry.path}>
                <Entry entry={entry} />
              </li>
            ))}
            {entries.length === 0 && <li className="empty">{t("files.empty")}</li>}
          </ul>
        )}
      </main>
    </>
  );
}

function Entry({ entry }: { entry: FileEntry }) {
  const details = entry.modified ? day(entry.modified) : "";
  if (entry.type === "file") {
    return (
      <div className="file file-other">
        <FileIcon /> <span className="file-name">{entry.name}</span> <span className="soft">{details}</span>
      </div>
    );
  }
  const notebook = entry.type === "notebook";
  return (
    <Link to={notebook ? { path: entry.path } : { dir: entry.path }} className="file">
      {notebook ? <NotebookIcon /> : <FolderIcon />} <span className="file-name">{entry.name}</span> <span className="soft">{details}</span>
    </Link>
  );
}

const DEFAULT_RUNTIME = "jupyter/python3";

function CreateNotebook({ dir }: { dir: string }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const [name, setName] = useState(() => `${say("files.untitled")}.ipynb`);
  const [error, setError] = useState<WireError | null>(null);
  const create = async (event: FormEvent) => {
    event.preventDefault();
    const file = name.endsWith(".ipynb") ? name : `${name}.ipynb`;
    const path = dir ? `${dir}/${file}` : file;
    setError(null);
    try {
      await api.create({ runtime: DEFAULT_RUNTIME, path });
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
      <Button kind="primary" type="submit" testId="create">
        {t("files.create")}
      </Button>
      <Button onClick={() => setOpen(false)}>{t("app.cancel")}</Button>
      {error && <ErrorNote error={error} />}
    </form>
  );
}
