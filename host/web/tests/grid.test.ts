import { describe, expect, it } from "vitest";
import { nextName } from "../src/files/use_uploads";
import { isHidden, layOut, moved, placeOf, withPlace, type GridPlace } from "../src/notebook/grid";
import type { Cell, NotebookState } from "../src/store/session_state";

const cell = (id: string, metadata: Cell["metadata"] = {}): Cell => ({ id, cell_type: "code", source: "", metadata });
const placed = (id: string, place: GridPlace, hidden = false): Cell => cell(id, { extensions: withPlace(cell(id), place, hidden) });
const notebook = (...cells: Cell[]): NotebookState => ({ order: cells.map((one) => one.id), cells: Object.fromEntries(cells.map((one) => [one.id, one])), metadata: {} });

describe("the grid", () => {
  it("keeps places where Jupyter's dashboards keep them, and what else is there", () => {
    const other = cell("a", { extensions: { mine: 1, jupyter_dashboards: { version: 1, views: { report: { row: 2 }, grid_default: { extra: true } } } }, tags: ["x"] });
    const written = withPlace(other, { col: 3, row: 4, width: 5, height: 6 }, true);
    expect(written).toEqual({ mine: 1, jupyter_dashboards: { version: 1, views: { report: { row: 2 }, grid_default: { extra: true, col: 3, row: 4, width: 5, height: 6, hidden: true } } } });
    const read = cell("a", { extensions: written });
    expect(placeOf(read)).toEqual({ col: 3, row: 4, width: 5, height: 6 });
    expect(isHidden(read)).toBe(true);
    expect(isHidden(other)).toBe(false);
  });

  it("takes no nonsense from a file", () => {
    const raw = (view: unknown) => placeOf(cell("a", { extensions: { jupyter_dashboards: { views: { grid_default: view as never } } } }));
    expect(raw({ col: "1", row: 0, width: 2, height: 2 })).toBeNull();
    expect(raw({ col: 0, row: 0, width: 2 })).toBeNull();
    expect(raw([1, 2])).toBeNull();
    expect(raw({ col: 50, row: -3, width: 99, height: 1e9 })).toEqual({ col: 0, row: 0, width: 12, height: 60 });
  });

  it("lays cells out without any place, below those that have one, never one over another", () => {
    expect([...layOut(notebook(cell("a"), cell("b"))).values()]).toEqual([
      { col: 0, row: 0, width: 12, height: 4 },
      { col: 0, row: 4, width: 12, height: 4 },
    ]);
    const half = { col: 0, row: 0, width: 6, height: 3 };
    const places = layOut(notebook(cell("free"), placed("a", half), placed("b", { ...half, col: 6 }), placed("c", { ...half, col: 2 })));
    expect(places.get("a")).toEqual(half);
    expect(places.get("b")).toMatchObject({ col: 6, row: 0 });
    expect(places.get("c")).toMatchObject({ col: 2, row: 3 });
    const all = [...places.values()];
    for (const one of all) for (const two of all) if (one !== two) expect(one.col < two.col + two.width && two.col < one.col + one.width && one.row < two.row + two.height && two.row < one.row + one.height).toBe(false);
    expect(places.get("free")!.row).toBe(Math.max(...["a", "b", "c"].map((id) => places.get(id)!.row + places.get(id)!.height)));
  });

  it("moves and resizes inside its columns", () => {
    const place = { col: 8, row: 0, width: 4, height: 1 };
    expect(moved(place, { col: 3, row: -2 })).toEqual(place);
    expect(moved(place, { width: 3 })).toMatchObject({ col: 5, width: 7 });
    expect(moved(place, { height: -4 })).toMatchObject({ height: 1 });
  });
});

describe("a name beside one that is taken", () => {
  it("counts on", () => {
    expect(nextName("a.ipynb")).toBe("a (2).ipynb");
    expect(nextName("a (2).ipynb")).toBe("a (3).ipynb");
    expect(nextName("noend")).toBe("noend (2)");
    expect(nextName("a.tar.gz")).toBe("a.tar (2).gz");
  });
});
