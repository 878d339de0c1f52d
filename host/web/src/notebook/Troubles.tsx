import { useEffect, useLayoutEffect, useRef, useState, type FormEvent, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Key } from "../i18n";
import { Button } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import type { WireError } from "../wire/types";
import { ConflictCells } from "./ConflictCells";
import { useOpen, useSession } from "./context";

/** What is wrong with the line, the kernel or the file: what is safe, and what to do. Below the header and only while it is so. */
export function Troubles() {
  const { session } = useOpen();
  const notice = useSession((state) => state.notices.find((known) => known.place === "bar"));
  return (
    <div className="troubles">
      <LineTrouble />
      <Closing />
      <TrustTrouble />
      <KernelTrouble />
      <FileTrouble />
      <Recovered />
      <FileNotices />
      {notice && <ErrorNote error={notice.error} onDismiss={() => session.dismissNotice(notice.id)} />}
    </div>
  );
}

/** One calm state: words, the host's own words in small type, and what can be done. */
function Trouble({ name, words, detail, children }: { name: string; words: string; detail?: string; children?: ReactNode }) {
  return (
    <div className="trouble" role="status" data-testid={name}>
      <span>
        {words}
        {detail && <Detail>{detail}</Detail>}
      </span>
      {children && <span className="trouble-actions">{children}</span>}
    </div>
  );
}

/** Small type of a few lines; where there are more they are scrolled, with the keyboard too. */
function Detail({ children }: { children: string }) {
  const text = useRef<HTMLElement>(null);
  const [long, setLong] = useState(false);
  useLayoutEffect(() => setLong(text.current!.scrollHeight > text.current!.clientHeight));
  return (
    <small ref={text} className="trouble-detail" tabIndex={long ? 0 : undefined}>
      {children}
    </small>
  );
}

/** The host gives errors as objects; plugins sometimes as a text. */
function wordsOf(error: WireError | string | null | undefined): string | undefined {
  if (!error) return undefined;
  return typeof error === "string" ? error : [error.message, error.hint].filter(Boolean).join(" ");
}

const codeOf = (error: WireError | string | null | undefined) => (error && typeof error === "object" ? error.code : "");

function KernelTrouble() {
  const { t } = useTranslation();
  const { actions } = useOpen();
  const kernel = useSession((state) => state.kernel);
  const canEdit = useSession((state) => state.capabilities.edit);
  if (kernel.state !== "dead" && kernel.state !== "unreachable") return null;
  return (
    <Trouble name="kernel-trouble" words={t(kernel.state === "dead" ? "trouble.kernel_dead" : "trouble.kernel_unreachable")} detail={wordsOf(kernel.error)}>
      {canEdit && <Button onClick={() => void actions.restart()}>{t("toolbar.restart")}</Button>}
    </Trouble>
  );
}

const SAVE_TROUBLES: Record<string, Key> = {
  disk_full: "trouble.disk_full",
  permission_denied: "trouble.read_only",
  outside_root: "trouble.read_only",
  journal_failed: "trouble.journal",
};

function FileTrouble() {
  const { t } = useTranslation();
  const { actions } = useOpen();
  const save = useSession((state) => state.save);
  const conflict = useSession((state) => state.conflict);
  const canEdit = useSession((state) => state.capabilities.edit);
  const [naming, setNaming] = useState(false);
  const gone = codeOf(save?.error) === "file_gone";
  if (save?.state !== "failed" && !conflict && !gone) return null;
  const path = conflict?.path ?? save?.path ?? "";
  const name = path.split("/").pop();
  const cells = conflict?.cells ?? [];
  const words = cells.length
    ? t("trouble.conflict_cells", { path: name, count: cells.length })
    : conflict
      ? t("trouble.conflict", { path: name })
      : gone
        ? t("trouble.file_gone", { path: name })
        : t(SAVE_TROUBLES[codeOf(save?.error)] ?? "trouble.save_failed");
  const offers = (choice: string) => !conflict || conflict.choices.includes(choice);
  return (
    <Trouble name={conflict ? "conflict" : "save-trouble"} words={words} detail={cells.length || gone ? undefined : conflict ? conflict.message : wordsOf(save?.error)}>
      {cells.length > 0 && <ConflictCells cells={cells} canEdit={canEdit} />}
      {!canEdit && conflict && <span className="soft">{t("trouble.conflict_reader")}</span>}
      {canEdit && !conflict && <Button onClick={() => void actions.save()}>{t("trouble.save_again")}</Button>}
      {canEdit && conflict && offers("overwrite") && (
        <Button onClick={() => void actions.save({ overwrite: true })} testId="conflict-overwrite">
          {t("trouble.overwrite")}
        </Button>
      )}
      {canEdit && offers("save_as") && !naming && (
        <Button onClick={() => setNaming(true)} testId="save-as">
          {t("trouble.save_as")}
        </Button>
      )}
      {canEdit && naming && <SaveAs path={path} done={() => setNaming(false)} />}
    </Trouble>
  );
}

function copyName(path: string): string {
  const name = path.split("/").pop() ?? path;
  const dot = name.lastIndexOf(".");
  return dot > 0 ? `${name.slice(0, dot)}-copy${name.slice(dot)}` : `${name}-copy`;
}

function SaveAs({ path, done }: { path: string; done(): void }) {
  const { t } = useTranslation();
  const { actions, session } = useOpen();
  const [name, setName] = useState(() => copyName(path));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await actions.save({ path: session.besideFile(name) })) done();
  };
  return (
    <form className="save-as" onSubmit={(event) => void submit(event)}>
      <input value={name} onChange={(event) => setName(event.target.value)} aria-label={t("trouble.save_as_name")} autoFocus data-testid="save-as-name" />
      <Button type="submit" kind="primary" testId="save-as-go">
        {t("toolbar.save")}
      </Button>
    </form>
  );
}

/** Nothing was lost in a crash; whoever wants to see what the file lacked can. */
function Recovered() {
  const { t } = useTranslation();
  const { ui } = useOpen();
  const edits = useSession((state) => state.recovered);
  const cells = useSession((state) => state.recoveredCells);
  const [seen, setSeen] = useState(false);
  if ((edits === 0 && cells === 0) || seen) return null;
  const words = [
    ...(edits > 0 ? [t("trouble.recovered", { count: edits })] : []),
    ...(cells > 0 ? [t("trouble.recovered_cells", { count: cells })] : []),
  ];
  return (
    <Trouble name="recovered" words={words.join(" ")}>
      {edits > 0 && (
        <Button onClick={() => ui.showHistory({ version: "saved", against: "now" })} testId="compare">
          {t("trouble.compare")}
        </Button>
      )}
      <Button onClick={() => setSeen(true)} testId="recovered-seen">
        {t("app.dismiss")}
      </Button>
    </Trouble>
  );
}

/** The host's own words about the file; gone when read, until there are others. */
function FileNotices() {
  const { t } = useTranslation();
  const notices = useSession((state) => state.fileNotices);
  const [read, setRead] = useState("");
  const all = notices.join("\n");
  if (all === read) return null;
  return (
    <div className="trouble" role="status" data-testid="file-notices">
      <span>
        {t("trouble.file_notices")}
        {notices.map((text) => (
          <Detail key={text}>{text}</Detail>
        ))}
      </span>
      <span className="trouble-actions">
        <Button onClick={() => setRead(all)} testId="file-notices-read">
          {t("app.dismiss")}
        </Button>
      </span>
    </div>
  );
}

/** "uv dependencies numpy" and its like: what each tool is asked for, said once. */
function grouped(wanted: string[]): string {
  const groups = new Map<string, string[]>();
  for (const one of [...wanted].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }))) {
    const [, tool, what] = /^(\S+ \S+) (.+)$/s.exec(one) ?? [one, "", one];
    groups.set(tool!, [...(groups.get(tool!) ?? []), what!]);
  }
  return [...groups].map(([tool, all]) => (tool === "" ? all.join(", ") : `${tool}: ${all.join(", ")}`)).join("; ");
}

function TrustTrouble() {
  const { t } = useTranslation();
  const { actions } = useOpen();
  const wanted = useSession((state) => state.untrusted);
  const canEdit = useSession((state) => state.capabilities.edit);
  if (!wanted) return null;
  return (
    <Trouble name="trust" words={t("trouble.trust")} detail={grouped(wanted)}>
      {canEdit && (
        <Button onClick={() => void actions.trust()} testId="trust-button">
          {t("trouble.trust_button")}
        </Button>
      )}
    </Trouble>
  );
}

function Closing() {
  const { t } = useTranslation();
  const reason = useSession((state) => (state.phase === "open" ? state.closing : null));
  if (reason === null) return null;
  return <Trouble name="closing" words={t(reason === "SHUTDOWN" ? "trouble.closing_shutdown" : "trouble.closing")} />;
}

const ENDINGS: Record<string, Key> = {
  SESSION_ENDED: "trouble.ended",
  EXPIRED: "trouble.expired",
  UNAUTHORIZED: "trouble.unauthorized",
};

/** A short cut of the line needs no words. */
const PATIENCE_MS = 700;

function LineTrouble() {
  const { t } = useTranslation();
  const { session } = useOpen();
  const phase = useSession((state) => state.phase);
  const ended = useSession((state) => state.ended);
  const unsent = useSession((state) => state.unsent);
  const first = useSession((state) => state.notebook === null);
  const slow = useSession((state) => state.slow);
  const unanswered = useSession((state) => state.late);
  const silent = useSession((state) => state.silent);
  const full = useSession((state) => state.full);
  const [late, setLate] = useState(false);
  const away = phase !== "open" && !ended;
  useEffect(() => {
    if (!away) {
      setLate(false);
      return;
    }
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [away]);
  if (ended) {
    const known = ENDINGS[ended.reason];
    return (
      <Trouble name="ended" words={known ? t(known) : t("trouble.closed", { why: ended.reason || ended.code })}>
        <Button onClick={() => window.location.reload()}>{t("trouble.open_again")}</Button>
      </Trouble>
    );
  }
  const safe = first ? "" : t(unsent ? "trouble.typing_kept" : "trouble.nothing_lost");
  if (full) {
    return (
      <Trouble name="session-full" words={`${t("trouble.full")} ${safe}`}>
        {away && <Button onClick={() => session.retryNow()}>{t("trouble.try_now")}</Button>}
      </Trouble>
    );
  }
  if (slow) {
    return (
      <Trouble name="slow-line" words={`${t("trouble.too_slow")} ${safe}`} detail={t("trouble.too_slow_hint")}>
        {away && <Button onClick={() => session.retryNow()}>{t("trouble.try_now")}</Button>}
      </Trouble>
    );
  }
  if (!away && (unanswered || silent)) {
    return (
      <Trouble name="slow-line" words={t(unanswered ? "trouble.late" : "trouble.still")}>
        <Button onClick={() => session.retryNow()}>{t("trouble.try_now")}</Button>
      </Trouble>
    );
  }
  if (!away || !late) return null;
  const what = first ? t("trouble.connecting") : navigator.onLine ? t("trouble.reconnecting") : t("trouble.device_offline");
  return (
    <Trouble name="offline" words={`${what} ${safe}`}>
      <Button onClick={() => session.retryNow()}>{t("trouble.try_now")}</Button>
    </Trouble>
  );
}
