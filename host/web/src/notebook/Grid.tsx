import { useMemo, useRef, useState, type KeyboardEvent, type PointerEvent, type RefObject } from "react";
import { useTranslation } from "react-i18next";
import { EyeIcon, GripIcon, ResizeIcon } from "../ui/icons";
import { CellSlot } from "./CellSlot";
import { labelOf } from "./CellView";
import { useOpen, useSession } from "./context";
import { COLUMNS, isHidden, layOut, moved, ROW_PX, withPlace, type GridPlace } from "./grid";

type By = Partial<GridPlace>;
const MOVES: Record<string, By> = { ArrowUp: { row: -1 }, ArrowDown: { row: 1 }, ArrowLeft: { col: -1 }, ArrowRight: { col: 1 } };
const SIZES: Record<string, By> = { ArrowUp: { height: -1 }, ArrowDown: { height: 1 }, ArrowLeft: { width: -1 }, ArrowRight: { width: 1 } };

/** The cells' results as tiles of a grid. Where they stand is in the notebook, so that all see it and it is saved. */
export function Grid() {
  const notebook = useSession((state) => state.notebook);
  const canEdit = useSession((state) => state.capabilities.edit);
  const places = useMemo(() => (notebook ? layOut(notebook) : new Map<string, GridPlace>()), [notebook]);
  const board = useRef<HTMLDivElement>(null);
  if (!notebook) return null;
  return (
    <div className="grid" ref={board} data-testid="grid">
      {notebook.order.map((id, index) => {
        const hidden = isHidden(notebook.cells[id]!);
        if (hidden && !canEdit) return null;
        return <Tile key={id} id={id} index={index} place={places.get(id)!} hidden={hidden} board={board} />;
      })}
    </div>
  );
}

function Tile({ id, index, place, hidden, board }: { id: string; index: number; place: GridPlace; hidden: boolean; board: RefObject<HTMLDivElement | null> }) {
  const { t } = useTranslation();
  const { session } = useOpen();
  const canEdit = useSession((state) => state.capabilities.edit);
  const cell = useSession((state) => state.notebook?.cells[id]);
  const [dragged, setDragged] = useState<GridPlace | null>(null);
  const from = useRef<{ x: number; y: number; sizes: boolean } | null>(null);
  const shown = dragged ?? place;
  const put = (to: GridPlace, hide = hidden) => {
    const now = session.store.get().notebook?.cells[id];
    if (now) session.document.edit([{ type: "set_metadata", cell_id: id, key: "extensions", value: withPlace(now, to, hide) }]);
  };
  const step = (steps: Record<string, By>) => (event: KeyboardEvent) => {
    const by = (event.shiftKey ? SIZES : steps)[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    put(moved(place, by));
  };
  const grab = (sizes: boolean) => (event: PointerEvent<HTMLElement>) => {
    event.preventDefault();
    event.currentTarget.setPointerCapture(event.pointerId);
    event.currentTarget.focus();
    from.current = { x: event.clientX, y: event.clientY, sizes };
  };
  const drag = (event: PointerEvent<HTMLElement>) => {
    const start = from.current;
    if (!start || !board.current) return;
    const columns = ((event.clientX - start.x) / board.current.clientWidth) * COLUMNS * (getComputedStyle(board.current).direction === "rtl" ? -1 : 1);
    const rows = (event.clientY - start.y) / ROW_PX;
    setDragged(moved(place, start.sizes ? { width: columns, height: rows } : { col: columns, row: rows }));
  };
  const drop = () => {
    if (dragged) put(dragged);
    from.current = null;
    setDragged(null);
  };
  const label = cell ? labelOf(t, cell, index) : "";
  return (
    <div
      className={`tile ${hidden ? "tile-hidden" : ""} ${dragged ? "tile-dragged" : ""}`}
      data-testid="tile"
      style={{ gridColumn: `${shown.col + 1} / span ${shown.width}`, gridRow: `${shown.row + 1} / span ${shown.height}` }}
    >
      {canEdit && (
        <div className="tile-tools">
          <button type="button" className="icon-button" aria-label={t("grid.move", { cell: label })} title={t("grid.move_about")} onKeyDown={step(MOVES)} onPointerDown={grab(false)} onPointerMove={drag} onPointerUp={drop} onPointerCancel={drop} data-testid="tile-move">
            <GripIcon />
          </button>
          <button type="button" className="icon-button" aria-pressed={hidden} aria-label={t("grid.hide", { cell: label })} title={t(hidden ? "grid.shows" : "grid.hides")} onClick={() => put(place, !hidden)} data-testid="tile-hide">
            <EyeIcon />
          </button>
          <button type="button" className="icon-button tile-size" aria-label={t("grid.size", { cell: label })} title={t("grid.size_about")} onKeyDown={step(SIZES)} onPointerDown={grab(true)} onPointerMove={drag} onPointerUp={drop} onPointerCancel={drop} data-testid="tile-size">
            <ResizeIcon />
          </button>
        </div>
      )}
      <div className="tile-content">
        <CellSlot id={id} index={index} />
      </div>
    </div>
  );
}
