import type { Cell, NotebookState } from "../store/session_state";
import type { Json } from "../wire/types";

/** A cell's place in the grid: columns of 12, rows of one height. */
export interface GridPlace {
  col: number;
  row: number;
  width: number;
  height: number;
}

export const COLUMNS = 12;
export const ROW_PX = 40;
const MOST_ROWS = 60;
const DEFAULT_ROWS = 4;

type JsonObject = { [key: string]: Json };
const objectOf = (value: Json | undefined): JsonObject => (value && typeof value === "object" && !Array.isArray(value) ? value : {});
const between = (value: number, least: number, most: number) => Math.min(Math.max(Math.round(value), least), most);

/** The layout that Jupyter's dashboards and voila-gridstack keep in a cell: extensions.jupyter_dashboards.views.grid_default. */
function viewOf(cell: Cell): JsonObject {
  const boards = objectOf(objectOf(cell.metadata.extensions).jupyter_dashboards);
  return objectOf(objectOf(boards.views).grid_default);
}

export function placeOf(cell: Cell): GridPlace | null {
  const { col, row, width, height } = viewOf(cell);
  if (![col, row, width, height].every((value) => typeof value === "number" && Number.isFinite(value))) return null;
  const wide = between(width as number, 1, COLUMNS);
  return { col: between(col as number, 0, COLUMNS - wide), row: between(row as number, 0, 100_000), width: wide, height: between(height as number, 1, MOST_ROWS) };
}

export const isHidden = (cell: Cell): boolean => viewOf(cell).hidden === true;

/** The value of the cell's `extensions` with this place in it; what else is there stays. */
export function withPlace(cell: Cell, place: GridPlace, hidden: boolean): JsonObject {
  const extensions = objectOf(cell.metadata.extensions);
  const boards = objectOf(extensions.jupyter_dashboards);
  const views = objectOf(boards.views);
  return { ...extensions, jupyter_dashboards: { version: 1, ...boards, views: { ...views, grid_default: { ...objectOf(views.grid_default), ...place, hidden } } } };
}

/** A place moved or resized by a step, inside the grid. */
export function moved(place: GridPlace, by: Partial<GridPlace>): GridPlace {
  const width = between(place.width + (by.width ?? 0), 1, COLUMNS);
  return {
    width,
    height: between(place.height + (by.height ?? 0), 1, MOST_ROWS),
    col: between(place.col + (by.col ?? 0), 0, COLUMNS - width),
    row: between(place.row + (by.row ?? 0), 0, 100_000),
  };
}

const overlap = (a: GridPlace, b: GridPlace) => a.col < b.col + b.width && b.col < a.col + a.width && a.row < b.row + b.height && b.row < a.row + a.height;

/**
 * Where every cell stands: those with a place of their own there, further down where two want the same, the others below in the
 * notebook's order. Nobody has to lay anything out to see a grid.
 */
export function layOut(notebook: NotebookState): Map<string, GridPlace> {
  const wanted = notebook.order
    .map((id) => ({ id, place: placeOf(notebook.cells[id]!) }))
    .filter((entry): entry is { id: string; place: GridPlace } => entry.place !== null)
    .sort((a, b) => a.place.row - b.place.row || a.place.col - b.place.col);
  const places = new Map<string, GridPlace>();
  let bottom = 0;
  for (const { id, place } of wanted) {
    const tile = { ...place };
    // What it is pushed onto may be in its way again.
    for (let pushed = true; pushed; ) {
      pushed = false;
      for (const taken of places.values()) {
        if (!overlap(tile, taken)) continue;
        tile.row = taken.row + taken.height;
        pushed = true;
      }
    }
    places.set(id, tile);
    bottom = Math.max(bottom, tile.row + tile.height);
  }
  for (const id of notebook.order) {
    if (places.has(id)) continue;
    places.set(id, { col: 0, row: bottom, width: COLUMNS, height: DEFAULT_ROWS });
    bottom += DEFAULT_ROWS;
  }
  return places;
}
