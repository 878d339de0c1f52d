import type { TFunction } from "i18next";
import { memo, useEffect, useRef, useState } from "react";
import { duration, timeOfDay, type Key } from "../i18n";
import { Button, IconButton } from "../ui/Button";
import { copyText } from "../ui/clipboard";
import { ErrorNote } from "../ui/ErrorNote";
import { DownIcon, FoldIcon, FormatIcon, GripIcon, PlayIcon, TrashIcon, UpIcon } from "../ui/icons";
import { EMPTY_RUN, type Cell, type CellRun, type Draft, type Notice } from "../store/session_state";
import type { CellType, InputRequest } from "../wire/types";
import { CellSource } from "./CellSource";
import { useOpen, useSession, useUi, useWords } from "./context";
import { InputPrompt } from "./InputPrompt";
import { isFolded } from "./notebook_ui";
import { MarkdownView } from "./outputs/MarkdownView";
import { Outputs } from "./outputs/Outputs";
import { CellPeople } from "../room/CellPeople";
import { CellPointers } from "../room/CellPointers";

const NAMES: Record<CellType, Key> = { code: "cell.code", markdown: "cell.markdown", raw: "cell.raw" };
export const labelOf = (t: TFunction, cell: Cell, index: number) => t("cell.label", { type: t(NAMES[cell.cell_type]), number: index + 1 });

const NO_DRAFTS: Draft[] = [];

/** One cell. It renders again only when its own source, run, drafts or place change. */
export const CellView = memo(function CellView({ id, index }: { id: string; index: number }) {
  const t = useWords();
  const { ui } = useOpen();
  const holder = useRef<HTMLElement>(null);
  const cell = useSession((state) => state.notebook?.cells[id]);
  const run = useSession((state) => state.runs[id] ?? EMPTY_RUN);
  const active = useUi((state) => state.active === id);
  const chosen = useUi((state) => state.selected.size > 1 && state.selected.has(id));
  const mode = useUi((state) => (state.active === id ? state.mode : "command"));
  const focusTick = useUi((state) => (state.active === id ? state.focusTick : 0));

  useEffect(() => {
    if (!active || !ui.claimFocus(focusTick)) return;
    if (mode === "command") holder.current?.focus({ preventScroll: true });
    holder.current?.scrollIntoView({ block: "nearest" });
  }, [active, mode, focusTick, ui]);

  if (!cell) return null;
  const label = labelOf(t, cell, index);
  return (
    <article
      ref={holder}
      className={`cell cell-${cell.cell_type} ${active ? `cell-active cell-${mode}` : ""} ${chosen ? "cell-chosen" : ""}`}
      data-testid="cell"
      data-cell-id={id}
      data-status={run.status}
      aria-label={label}
      aria-current={active || undefined}
      tabIndex={active ? 0 : -1}
      onMouseDown={(event) => {
        const target = event.target as Element;
        if (target.closest("button, a, input, select, .grip")) return;
        if (event.shiftKey || event.ctrlKey || event.metaKey) {
          if (target.closest(".editor, .outputs")) return;
          event.preventDefault();
          if (event.shiftKey) ui.extendTo(id);
          else ui.toggle(id);
          return;
        }
        if (target.closest(".plain-source") && ui.canEdit) {
          // The editor is on its way, takes the focus when it is there and has its cursor here.
          event.preventDefault();
          const offset = offsetAt(event.clientX, event.clientY, target);
          if (offset !== null) ui.ahead.clicked(id, offset);
          ui.select(id, "edit");
          return;
        }
        // Text in a reader's editor and in outputs can be selected with the mouse: the cell becomes active without taking the focus.
        if (target.closest(".editor, .plain-source, .outputs")) ui.activate(id);
        else ui.select(id);
      }}
    >
      <Gutter cell={cell} run={run} />
      <div className="cell-body">
        <div className="content">
          <CellContent cell={cell} label={label} holder={holder} />
          <CellTiming id={id} run={run} />
        </div>
        <CellDrafts id={id} />
        <CellNotices id={id} />
        <CellOutputs cell={cell} run={run} label={label} />
        <CellInput id={id} status={run.status} />
      </div>
      <CellPeople id={id} />
      <CellPointers id={id} />
      {active && <CellTools cell={cell} />}
    </article>
  );
});

/** Which character of an element's only text is under a point. */
function offsetAt(x: number, y: number, element: Element): number | null {
  const position = "caretPositionFromPoint" in document ? document.caretPositionFromPoint(x, y) : null;
  const range = position === null && "caretRangeFromPoint" in document ? document.caretRangeFromPoint(x, y) : null;
  const node = position?.offsetNode ?? range?.startContainer;
  return node && element.contains(node) ? (position?.offset ?? range?.startOffset ?? null) : null;
}

function Gutter({ cell, run }: { cell: Cell; run: CellRun }) {
  const t = useWords();
  const { ui } = useOpen();
  const canEdit = useSession((state) => state.capabilities.edit);
  const grip = canEdit && (
    <span className="grip" draggable title={t("cell.drag")} data-testid="grip" onMouseDown={() => ui.grab(cell.id)}>
      <GripIcon />
    </span>
  );
  if (cell.cell_type !== "code") return <div className="gutter">{grip}</div>;
  const count = run.status === "running" ? "∗" : run.status === "queued" ? "⋯" : (run.execution_count ?? " ");
  const words = run.status === "running" ? t("cell.running") : run.status === "queued" ? t("cell.waiting") : run.execution_count ? t("cell.run_count", { count: run.execution_count }) : t("cell.not_run");
  return (
    <div className={`gutter gutter-${run.status}`}>
      <span className="count" role="img" aria-label={words} data-testid="count">
        [{count}]
      </span>
      {canEdit && (
        <IconButton label={t("cell.run")} keys="Ctrl+Enter" onClick={() => ui.execute([cell.id])} testId="run-cell" skipTab>
          <PlayIcon />
        </IconButton>
      )}
      {grip}
    </div>
  );
}

function CellContent({ cell, label, holder }: { cell: Cell; label: string; holder: React.RefObject<HTMLElement | null> }) {
  const t = useWords();
  const { ui } = useOpen();
  const canEdit = useSession((state) => state.capabilities.edit);
  const open = useUi((state) => state.open.has(cell.id));
  if (cell.cell_type === "markdown" && !(open && canEdit)) {
    return (
      <div className="rendered" onDoubleClick={() => canEdit && ui.openMarkdown(cell.id)} data-testid="rendered-markdown">
        {cell.source.trim() ? <MarkdownView source={cell.source} /> : <p className="soft">{t(canEdit ? "cell.empty_markdown_edit" : "cell.empty_markdown")}</p>}
      </div>
    );
  }
  if (cell.cell_type === "code" && isFolded(cell, "source_hidden")) {
    return <Folded words={t("cell.source_folded")} onShow={() => ui.fold([cell.id], "source_hidden")} can={canEdit} testId="source-folded" />;
  }
  return (
    <div className="source" data-testid="source">
      <CellSource cell={cell} label={label} holder={holder} />
    </div>
  );
}

/** A line in the place of what is folded away. */
function Folded({ words, onShow, can, testId }: { words: string; onShow(): void; can: boolean; testId: string }) {
  return (
    <button type="button" className="folded" onClick={onShow} disabled={!can} data-testid={testId}>
      ••• <span>{words}</span>
    </button>
  );
}

function CellOutputs({ cell, run, label }: { cell: Cell; run: CellRun; label: string }) {
  const t = useWords();
  const { ui } = useOpen();
  const canEdit = useSession((state) => state.capabilities.edit);
  if (run.outputs.length > 0 && isFolded(cell, "outputs_hidden")) {
    return <Folded words={t("cell.outputs_folded")} onShow={() => ui.fold([cell.id], "outputs_hidden")} can={canEdit} testId="outputs-folded" />;
  }
  return <Outputs outputs={run.outputs} label={t("cell.output", { cell: label })} />;
}

/** Where the cell stands in the queue, how long it has been running, how long it took. */
function CellTiming({ id, run }: { id: string; run: CellRun }) {
  const t = useWords();
  const position = useSession((state) => (run.status === "queued" ? state.queue.indexOf(id) + 1 : 0));
  const now = useNow(run.startedAt !== undefined);
  if (position > 0) return <div className="timing" data-testid="timing">{t("cell.queued", { position })}</div>;
  if (run.startedAt !== undefined && now - run.startedAt > 1000) return <div className="timing" data-testid="timing">{t("cell.running_for", { time: duration(now - run.startedAt) })}</div>;
  if (run.tookMs !== undefined && run.tookMs >= 100) return <div className="timing" data-testid="timing">{t("cell.took", { time: duration(run.tookMs) })}</div>;
  return null;
}

function useNow(ticking: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!ticking) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [ticking]);
  return now;
}

function CellDrafts({ id }: { id: string }) {
  const all = useSession((state) => state.drafts);
  const drafts = all.length === 0 ? NO_DRAFTS : all.filter((draft) => draft.cell_id === id);
  return drafts.map((draft) => <DraftView key={draft.at + draft.text.length} draft={draft} />);
}

/** Typing that reached nobody: visible until the person decides. */
export function DraftView({ draft }: { draft: Draft }) {
  const t = useWords();
  const { actions } = useOpen();
  const canEdit = useSession((state) => state.capabilities.edit);
  const [copied, setCopied] = useState(false);
  return (
    <div className="draft" role="group" aria-label={t("draft.label")} data-testid="draft">
      <div className="draft-head">
        <span>{t("draft.title")}</span>
        <span className="soft">
          {t("draft.from", { time: timeOfDay(draft.at) })}
          {canEdit ? "" : ` · ${t("draft.reader")}`}
        </span>
        <div className="draft-actions">
          <Button onClick={() => actions.applyDraft(draft)} disabled={!canEdit} testId="draft-apply">
            {t("draft.apply")}
          </Button>
          <Button onClick={() => void copyText(draft.text).then(() => setCopied(true))} testId="draft-copy">
            {t(copied ? "draft.copied" : "draft.copy")}
          </Button>
          <Button onClick={() => actions.discardDraft(draft)} testId="draft-discard">
            {t("draft.discard")}
          </Button>
        </div>
      </div>
      <pre className="draft-text">{draft.text}</pre>
    </div>
  );
}

function CellNotices({ id }: { id: string }) {
  const { session } = useOpen();
  const notice: Notice | undefined = useSession((state) => state.notices.find((known) => known.place === `cell:${id}`));
  return notice ? <ErrorNote error={notice.error} onDismiss={() => session.dismissNotice(notice.id)} /> : null;
}

function CellInput({ id, status }: { id: string; status: CellRun["status"] }) {
  const input: InputRequest | undefined = useSession((state) => state.inputs.find((known) => (known.cell_id ? known.cell_id === id : status === "running")));
  return input ? <InputPrompt key={input.request_id} input={input} /> : null;
}

function CellTools({ cell }: { cell: Cell }) {
  const t = useWords();
  const { ui } = useOpen();
  const canEdit = useSession((state) => state.capabilities.edit);
  if (!canEdit) return null;
  return (
    <div className="cell-tools" role="toolbar" aria-label={t("cell.actions")}>
      <IconButton label={t("cell.up")} keys="Alt+↑" onClick={() => ui.move(ui.selection(), -1)} testId="cell-up" skipTab>
        <UpIcon />
      </IconButton>
      <IconButton label={t("cell.down")} keys="Alt+↓" onClick={() => ui.move(ui.selection(), 1)} testId="cell-down" skipTab>
        <DownIcon />
      </IconButton>
      {cell.cell_type === "code" && (
        <IconButton label={t("cell.fold_source")} keys="O" onClick={() => ui.run("fold-source")} testId="cell-fold" skipTab>
          <FoldIcon />
        </IconButton>
      )}
      {cell.cell_type === "code" && (
        <IconButton label={t("format.cell")} keys="F" onClick={() => ui.run("format")} testId="cell-format" skipTab>
          <FormatIcon />
        </IconButton>
      )}
      <IconButton label={t("cell.delete")} keys="d d" onClick={() => ui.remove(ui.selection())} testId="cell-delete" skipTab>
        <TrashIcon />
      </IconButton>
    </div>
  );
}
