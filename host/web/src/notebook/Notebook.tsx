import { startTransition, useEffect, useLayoutEffect, useState, type DragEvent, type PointerEvent } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "../store/store";
import { PlusIcon } from "../ui/icons";
import { route } from "../ui/navigation";
import type { Route } from "../ui/route";
import { CellSlot } from "./CellSlot";
import { DraftView } from "./CellView";
import { useOpen, useSession, useUi, useWords, WordsContext } from "./context";
import { Grid } from "./Grid";
import type { NotebookUi } from "./notebook_ui";
import { currentStep, useSteps } from "./Presentation";
import { ShortcutReader } from "./shortcuts";
import { isTyping } from "./typed_ahead";
import { restorePlace } from "./views";

/** Where typing belongs to a field, not to the notebook's command mode. */
const FIELDS = "input, textarea:not(.ahead-field), select, [contenteditable=true], dialog, [role=menu]";
const ANYWHERE = new Set(["save", "find"]);

/** The cell whose editor is what keys are meant for, and which is not there yet or has not got the focus yet. */
function awaited(ui: NotebookUi, target: Element | null): string | null {
  const id = ui.edited;
  const cell = id === null ? null : document.querySelector(`[data-cell-id="${CSS.escape(id)}"]`);
  if (!cell) return null;
  const coming = cell.querySelector(".plain-source") !== null;
  const nowhere = target === null || target === document.body || target === cell || target.matches(".ahead-field");
  return coming || (nowhere && cell.querySelector(".cm-editor:not(.cm-focused)") !== null) ? id : null;
}

function useShortcuts(): void {
  const { ui } = useOpen();
  useEffect(() => {
    const reader = new ShortcutReader();
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return;
      const target = event.target as Element | null;
      const press = { key: event.key, ctrl: event.ctrlKey, meta: event.metaKey, shift: event.shiftKey, alt: event.altKey };
      if (target?.closest(FIELDS)) {
        const shortcut = reader.anywhere(press);
        if (shortcut && ANYWHERE.has(shortcut) && ui.run(shortcut)) event.preventDefault();
        return;
      }
      if (ui.isStillTyping(event.timeStamp) && !event.ctrlKey && !event.metaKey) return;
      const cell = awaited(ui, target);
      if (cell !== null) {
        // The way out does not wait for the editor, unless text before it does.
        const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
        if (plain && ui.ahead.untouched(cell)) {
          if (event.key === "Tab") return;
          if (event.key === "Escape") {
            ui.leaveEdit();
            return event.preventDefault();
          }
        }
        const find = reader.anywhere(press) === "find" && ui.run("find");
        if (!find && isTyping(event)) ui.ahead.add(cell, { key: event });
        if (find || isTyping(event)) event.preventDefault();
        return;
      }
      // A focused button keeps its own Enter and Space.
      if (event.key === "Enter" && target?.closest("button, a") && !event.shiftKey && !event.ctrlKey && !event.altKey) return;
      const shortcut = reader.command(press, event.timeStamp);
      if (shortcut && ui.run(shortcut)) event.preventDefault();
    };
    const onPaste = (event: ClipboardEvent) => {
      const target = event.target as Element | null;
      const cell = target?.closest(FIELDS) ? null : awaited(ui, target);
      const text = event.clipboardData?.getData("text/plain");
      if (cell === null || !text) return;
      event.preventDefault();
      ui.ahead.add(cell, { paste: text });
    };
    window.addEventListener("keydown", onKey);
    window.addEventListener("paste", onPaste);
    return () => {
      window.removeEventListener("keydown", onKey);
      window.removeEventListener("paste", onPaste);
    };
  }, [ui]);
}

/** Cells are dragged by their grip to between two others; the selection moves as one. */
function useDragging() {
  const { ui } = useOpen();
  const [target, setTarget] = useState<{ after: string | null; line: number } | null>(null);
  const [dragging, setDragging] = useState(false);
  const find = (event: DragEvent<HTMLElement>) => {
    const list = event.currentTarget;
    const top = list.getBoundingClientRect().top;
    let after: string | null = null;
    let line = 0;
    for (const cell of list.querySelectorAll<HTMLElement>("[data-cell-id]")) {
      const box = cell.getBoundingClientRect();
      if (box.top + box.height / 2 > event.clientY) break;
      after = cell.dataset.cellId!;
      line = box.bottom - top;
    }
    return { after, line };
  };
  const handlers = {
    onDragStart(event: DragEvent<HTMLElement>) {
      if (!(event.target as Element).closest(".grip")) return;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", "");
      setDragging(true);
    },
    onDragOver(event: DragEvent<HTMLElement>) {
      if (!dragging) return;
      event.preventDefault();
      setTarget(find(event));
    },
    onDrop(event: DragEvent<HTMLElement>) {
      if (!dragging) return;
      event.preventDefault();
      ui.moveAfter(ui.selection(), find(event).after);
    },
    onDragEnd() {
      setDragging(false);
      setTarget(null);
    },
  };
  return { handlers, line: dragging && target ? target.line : null };
}

/** While pointing is on, the place in a cell that the mouse or a finger is at goes to the others. */
function usePointing() {
  const { session } = useOpen();
  const on = useUi((state) => state.pointing);
  if (!on) return {};
  const at = (event: PointerEvent<HTMLElement>) => {
    const cell = (event.target as Element).closest<HTMLElement>("[data-cell-id]");
    if (!cell) return;
    const box = cell.getBoundingClientRect();
    const start = getComputedStyle(cell).direction === "rtl" ? box.right - event.clientX : event.clientX - box.left;
    session.cursors.point(cell.dataset.cellId!, start / box.width, (event.clientY - box.top) / box.height);
  };
  return { onPointerMove: at, onPointerDown: at };
}

const viewOf = (state: Route) => state.view;

/** More than fit on a screen. */
const FIRST_CELLS = 40;
/** A tab that is not seen has no frames to wait for. */
const UNSEEN_MS = 200;

/** Whether all cells have their place. The first screen is painted before thousands of boxes are made. */
function useAllCells(count: number): boolean {
  const [all, setAll] = useState(false);
  const few = count <= FIRST_CELLS;
  const none = count === 0;
  useEffect(() => {
    if (all || none) return;
    const go = () => startTransition(() => setAll(true));
    let frame = requestAnimationFrame(() => (frame = requestAnimationFrame(go)));
    const timer = setTimeout(go, UNSEEN_MS);
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }, [all, none]);
  return all || few;
}

export function Notebook() {
  const { t } = useTranslation();
  return (
    <WordsContext value={t}>
      <Cells />
    </WordsContext>
  );
}

/** The cells, in order, and what belongs to none of them any more. */
function Cells() {
  const t = useWords();
  const { ui } = useOpen();
  const view = useStore(route, viewOf);
  const order = useSession((state) => state.notebook?.order);
  const canEdit = useSession((state) => state.capabilities.edit);
  const active = useUi((state) => (view === "slides" ? state.active : null));
  const steps = useSteps(view);
  const { handlers, line } = useDragging();
  const pointing = usePointing();
  const all = useAllCells(order?.length ?? 0);
  useShortcuts();
  useEffect(() => {
    const first = order?.[0];
    if (first && ui.store.get().active === null) ui.store.update((state) => ({ ...state, active: first }));
  }, [order, ui]);
  useLayoutEffect(() => {
    const place = restorePlace();
    if (place !== null && (view === "slides" || view === "present")) ui.show(place, view === "present" ? "center" : "start");
  }, [view, ui]);
  if (!order) return <Skeleton />;
  if (view === "grid") {
    return (
      <div className="cells" data-testid="cells" data-count={order.length} {...pointing}>
        <Grid />
      </div>
    );
  }
  const slide = view === "slides" ? new Set(steps[currentStep(steps, active)]) : null;
  return (
    <div className="cells" data-testid="cells" data-count={order.length} aria-busy={!all || undefined} {...handlers} {...pointing}>
      {(all ? order : order.slice(0, FIRST_CELLS)).map((id, index) => (
        // What is on another slide is hidden and not taken out: its outputs keep what they hold.
        <div key={id} hidden={slide !== null && !slide.has(id)}>
          <CellSlot id={id} index={index} />
        </div>
      ))}
      {line !== null && <div className="drop-line" style={{ top: line }} data-testid="drop-line" />}
      <OrphanDrafts />
      {canEdit && view === "edit" && (
        <div className="add-row">
          <button type="button" className="add-button" onClick={() => ui.insert("code", order.at(-1) ?? null)} data-testid="add-code">
            <PlusIcon /> {t("cell.code")}
          </button>
          <button type="button" className="add-button" onClick={() => ui.insert("markdown", order.at(-1) ?? null)} data-testid="add-markdown">
            <PlusIcon /> {t("cell.markdown")}
          </button>
        </div>
      )}
    </div>
  );
}

function OrphanDrafts() {
  const drafts = useSession((state) => state.drafts);
  const cells = useSession((state) => state.notebook?.cells);
  const orphans = drafts.filter((draft) => !cells?.[draft.cell_id]);
  return orphans.map((draft) => (
    <div className="orphan-draft" key={draft.cell_id + draft.at}>
      <DraftView draft={draft} />
    </div>
  ));
}

function Skeleton() {
  const { t } = useTranslation();
  return (
    <div className="cells skeleton" role="status" aria-label={t("app.opening")} aria-busy="true">
      <div />
      <div />
      <div />
    </div>
  );
}
