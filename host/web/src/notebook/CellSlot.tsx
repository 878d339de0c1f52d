import { memo, useRef } from "react";
import { createStore, useStore } from "../store/store";
import { useOpen, useUi, useWords } from "./context";
import { CellView, labelOf } from "./CellView";
import { InsertBetween } from "./InsertBetween";
import { useNearViewport } from "./near_viewport";

/** The first cells are there at the first paint, before anything has been measured. */
const FIRST = 12;
const LINE_PX = 21;
const REST_PX = 34;

/** Paper has no window: everything is on it. */
const printing = createStore(false);
window.addEventListener("beforeprint", () => printing.set(true));
window.addEventListener("afterprint", () => printing.set(false));
const whole = (value: boolean) => value;

/**
 * A cell's place in the notebook. Far from the window it is an empty box of the cell's height that follows nothing, so that thousands of
 * cells cost no more than the few that are seen.
 */
export const CellSlot = memo(function CellSlot({ id, index }: { id: string; index: number }) {
  const t = useWords();
  const { session } = useOpen();
  const slot = useRef<HTMLDivElement>(null);
  const height = useRef(0);
  const near = useNearViewport(slot, "cell", index < FIRST);
  const active = useUi((state) => state.active === id);
  // A frame that is taken out of the page starts anew: what somebody sorted or drew in it would be gone.
  const onPaper = useStore(printing, whole);
  const shown = near || active || onPaper || slot.current?.querySelector("iframe") != null;
  const wasShown = useRef(false);
  // Measured before the cell is taken out: afterwards there is nothing left to measure.
  if (wasShown.current && !shown && slot.current) height.current = slot.current.getBoundingClientRect().height;
  wasShown.current = shown;
  if (shown) {
    return (
      <div className="cell-slot" ref={slot}>
        <CellView id={id} index={index} />
        <InsertBetween after={id} />
      </div>
    );
  }
  const cell = session.store.get().notebook?.cells[id];
  const lines = cell ? cell.source.split("\n").length : 1;
  return (
    <div className="cell-slot" ref={slot}>
      <article className="cell-far" data-testid="cell" data-cell-id={id} aria-label={cell ? labelOf(t, cell, index) : undefined} style={{ height: height.current || lines * LINE_PX + REST_PX }} />
    </div>
  );
});
