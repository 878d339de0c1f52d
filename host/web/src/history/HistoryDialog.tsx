import { useCallback, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { locale } from "../i18n";
import { useOpen, useSession } from "../notebook/context";
import { Button } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { api, toWireError } from "../wire/http";
import type { WireError } from "../wire/types";
import { Differences } from "./Differences";
import type { Comparison, HistoryPage, KeptCopy, Look, Version } from "./history_types";
import "./history.css";

const day = (at: string) => new Date(at).toLocaleDateString(locale(), { weekday: "short", year: "numeric", month: "short", day: "numeric" });
const time = (at: string) => new Date(at).toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit", second: "2-digit" });

interface Listed {
  versions: Version[];
  kept: KeptCopy[];
  more: string | null;
}

/** Who did what and when; a version beside what is now; and the way back. */
export function HistoryDialog({ look, onClose }: { look: Look; onClose(): void }) {
  const { t } = useTranslation();
  const dialog = useRef<HTMLDialogElement>(null);
  const session = useSession((state) => state.sessionId);
  const [listed, setListed] = useState<Listed | null>(null);
  const [error, setError] = useState<WireError | null>(null);
  const [chosen, setChosen] = useState<Look>(look);
  const [asked, setAsked] = useState(0);
  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => {
    let current = true;
    api.history(session).then(
      (page) => {
        if (!current) return;
        setError(null);
        setListed({ versions: page.versions, kept: page.kept ?? [], more: page.next_before ?? null });
        setChosen((known) => (known.version === null && page.versions[0] ? { version: page.versions[0].version, against: "previous" } : known));
      },
      (reason: unknown) => current && setError(toWireError(reason)),
    );
    return () => {
      current = false;
    };
  }, [session, asked]);
  const older = useCallback(() => {
    if (!listed?.more) return;
    api.history(session, listed.more).then(
      // A second click before the answer asks for the same page.
      (page: HistoryPage) => setListed((known) => known && known.more === listed.more ? { ...known, versions: [...known.versions, ...page.versions], more: page.next_before ?? null } : known),
      (reason: unknown) => setError(toWireError(reason)),
    );
  }, [session, listed?.more]);
  return (
    <dialog ref={dialog} className="dialog history" aria-label={t("history.title")} onClose={onClose} data-testid="history">
      <div className="history-head">
        <h2>{t("history.title")}</h2>
        <Button onClick={() => dialog.current?.close()}>{t("app.close")}</Button>
      </div>
      {error && <ErrorNote error={error} />}
      <div className="history-body">
        {listed && (
          <nav className="history-list" aria-label={t("history.versions")} data-testid="versions">
            <Rows versions={listed.versions} chosen={chosen} choose={setChosen} />
            {listed.more && (
              <Button onClick={older} testId="older">
                {t("history.older")}
              </Button>
            )}
            <Files kept={listed.kept} chosen={chosen} choose={setChosen} />
          </nav>
        )}
        {chosen.version !== null && <Detail key={chosen.version} asked={asked} look={chosen} version={listed?.versions.find((one) => one.version === chosen.version)} choose={setChosen} onRestored={() => setAsked((n) => n + 1)} />}
      </div>
    </dialog>
  );
}

function Rows({ versions, chosen, choose }: { versions: Version[]; chosen: Look; choose(look: Look): void }) {
  return (
    <ol className="history-rows">
      {versions.map((version, at) => {
        const today = day(version.ended_at);
        const first = at === 0 || day(versions[at - 1]!.ended_at) !== today;
        return (
          <li key={version.version}>
            {first && <h3>{today}</h3>}
            <Row version={version} chosen={chosen.version === version.version} onChoose={() => choose({ version: version.version, against: chosen.against })} />
          </li>
        );
      })}
    </ol>
  );
}

function Row({ version, chosen, onChoose }: { version: Version; chosen: boolean; onChoose(): void }) {
  const did = useDid();
  const who = useWho();
  return (
    <button type="button" className="history-row" aria-current={chosen || undefined} onClick={onChoose} data-testid="version">
      <span className="history-who">
        <strong>{who(version)}</strong> <time dateTime={version.ended_at}>{time(version.ended_at)}</time>
      </span>
      <span className="soft">{did(version)}</span>
    </button>
  );
}

function useWho() {
  const { t } = useTranslation();
  const me = useSession((state) => state.clientId);
  return (version: Version) => {
    const names = version.authors.map((author) => {
      const name = author.label || author.device || t("app.somebody");
      return author.client_id === me ? t("app.you", { name }) : name;
    });
    return names.length > 0 ? names.join(", ") : t("history.host");
  };
}

function useDid() {
  const { t } = useTranslation();
  return (version: Version) => {
    switch (version.source) {
      case "import":
        return t("history.import");
      case "create":
        return t("history.create");
      case "earlier":
        return t("history.earlier");
      case "trimmed":
        return t("history.trimmed");
      case "recovered":
        return t("history.recovered", { count: version.edits });
      case "restore":
        return t(version.restored_cell ? "history.restored_cell" : "history.restored", { version: version.restored ?? "" });
    }
    const inserted = version.cells.reduce((sum, cell) => sum + cell.inserted, 0);
    const deleted = version.cells.reduce((sum, cell) => sum + cell.deleted, 0);
    const counts = t("history.touched", { count: version.cells.length + version.more_cells });
    const what = `${counts} · +${inserted} −${deleted}`;
    return version.source === "file" ? t("history.by_file", { what }) : version.source === "kernel" ? t("history.by_kernel", { what }) : what;
  };
}

/** The file as it is, and those that a save put aside. */
function Files({ kept, chosen, choose }: { kept: KeptCopy[]; chosen: Look; choose(look: Look): void }) {
  const { t } = useTranslation();
  const recovered = useSession((state) => state.recovered);
  const row = (version: string, name: string, about: string) => (
    <li key={version}>
      <button type="button" className="history-row" aria-current={chosen.version === version || undefined} onClick={() => choose({ version, against: "now" })} data-testid={version === "file" ? "version-file" : "version-copy"}>
        <strong className="history-who">{name}</strong>
        <span className="soft">{about}</span>
      </button>
    </li>
  );
  return (
    <ol className="history-rows">
      <li>
        <h3>{t("history.files")}</h3>
      </li>
      {recovered > 0 && row("saved", t("history.saved"), t("history.saved_about"))}
      {row("file", t("history.file"), t("history.file_about"))}
      {kept.map((copy) => row(copy.version, `${day(copy.at)} ${time(copy.at)}`, t("history.kept_about", { name: copy.name })))}
    </ol>
  );
}

function Detail({ look, asked, version, choose, onRestored }: { look: Look; /** Counts what was restored: what is now is another. */ asked: number; version?: Version; choose(look: Look): void; onRestored(): void }) {
  const { t } = useTranslation();
  const { actions, session } = useOpen();
  const id = useSession((state) => state.sessionId);
  const canEdit = useSession((state) => state.capabilities.edit && state.phase === "open");
  const [shown, setShown] = useState<Comparison | null>(null);
  const [error, setError] = useState<WireError | null>(null);
  const [done, setDone] = useState(false);
  const name = look.version!;
  const numbered = /^\d+$/.test(name);
  const against = numbered ? look.against : "now";
  useEffect(() => {
    let current = true;
    setShown(null);
    setError(null);
    // What was typed just now is part of what is.
    void session.document.settle().then(() =>
      api.historyVersion(id, name, against).then(
        (found) => current && setShown(found),
        (reason: unknown) => current && setError(toWireError(reason)),
      ),
    );
    return () => {
      current = false;
    };
  }, [session, id, name, against, asked]);
  const restore = async (cellId?: string) => {
    setError(null);
    setDone(false);
    const refused = await actions.restore(name, cellId);
    if (refused) setError(refused);
    else {
      setDone(true);
      onRestored();
    }
  };
  const words = version?.source === "import" || version?.source === "create" ? "history.against_first" : "history.against_previous";
  return (
    <section className="history-detail" aria-label={t("history.differences")} data-testid="history-detail">
      <div className="history-tools">
        {numbered && (
          <label className="select">
            <span className="visually-hidden">{t("history.compare")}</span>
            <select value={look.against} onChange={(event) => choose({ version: name, against: event.target.value as Look["against"] })} data-testid="against">
              <option value="previous">{t(words)}</option>
              <option value="now">{t("history.against_now")}</option>
            </select>
          </label>
        )}
        {!numbered && <span className="soft">{t("history.against_now")}</span>}
        <Button kind="primary" disabled={!canEdit} title={canEdit ? undefined : t("history.need_pen")} onClick={() => void restore()} testId="restore">
          {t("history.restore")}
        </Button>
      </div>
      {!canEdit && (
        <p className="soft" data-testid="restore-reason">
          {t("history.need_pen")}
        </p>
      )}
      {canEdit && <p className="soft">{t("history.restore_about")}</p>}
      <p className="visually-hidden" role="status">
        {done ? t("history.done") : ""}
      </p>
      {error && <ErrorNote error={error} />}
      {!shown && !error && <p className="soft">{t("history.loading")}</p>}
      {shown && <Differences found={shown} canEdit={canEdit} onRestore={against === "now" ? (cellId) => void restore(cellId) : undefined} />}
    </section>
  );
}
