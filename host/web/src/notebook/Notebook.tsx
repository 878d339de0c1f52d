import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { PlusIcon } from "../ui/icons";
import { CellView, DraftView } from "./CellView";
import { useOpen, useSession } from "./context";
import { ShortcutReader } from "./shortcuts";

/** Where typing belongs to a field, not to the notebook's command mode. */
const FIELDS = "input, textarea, select, [contenteditable=true], dialog";

function useShortcuts(): void {
  const { ui } = useOpen();
  useEffect(() => {
    const reader = new ShortcutReader();
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return;
      const target = event.target as Element | null;
      const press = { key: event.key, ctrl: event.ctrlKey, meta: event.metaKey, shift: event.shiftKey, alt: event.altKey };
      if (target?.closest(FIELDS)) {
        if (reader.anywhere(press) === "save" && ui.run("save")) event.preventDefault();
        return;
      }
      if (ui.isStillTyping(event.timeStamp) && !event.ctrlKey && !event.metaKey) return;
      // A focused button keeps its own Enter and Space.
      if (event.key === "Enter" && target?.closest("button, a") && !event.shiftKey && !event.ctrlKey && !event.altKey) return;
      const shortcut = reader.command(press, event.timeStamp);
      if (shortcut && ui.run(shortcut)) event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [ui]);
}

/** The cells, in order, and what belongs to none of them any more. */
export function Notebook() {
  const { t } = useTranslation();
  const { ui } = useOpen();
  const order = useSession((state) => state.notebook?.order);
  const canEdit = useSession((state) => state.capabilities.edit);
  const list = useRef<HTMLDivElement>(null);
  useShortcuts();
  useEffect(() => {
    const first = order?.[0];
    if (first && ui.store.get().active === null) ui.store.update((state) => ({ ...state, active: first }));
  }, [order, ui]);
  if (!order) return <Skeleton />;
  return (
    <div className="cells" ref={list} data-testid="cells" data-count={order.length}>
      {order.map((id, index) => (
        <CellView key={id} id={id} index={index} />
      ))}
      <OrphanDrafts />
      {canEdit && (
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
