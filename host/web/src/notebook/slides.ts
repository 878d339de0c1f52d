import type { Cell, NotebookState } from "../store/session_state";

function slideType(cell: Cell): string {
  const slideshow = cell.metadata.slideshow;
  return slideshow && typeof slideshow === "object" && !Array.isArray(slideshow) ? String(slideshow.slide_type ?? "") : "";
}

const HEADING = /^\s{0,3}#{1,2}\s/;

/** The notebook as slides: as its metadata says (nbformat's slideshow), else a new one at each first or second heading. */
export function slidesOf(notebook: NotebookState): string[][] {
  const cells = notebook.order.map((id) => notebook.cells[id]).filter((cell): cell is Cell => cell !== undefined);
  const told = cells.some((cell) => slideType(cell) !== "");
  const slides: string[][] = [];
  for (const cell of cells) {
    const type = slideType(cell);
    if (type === "skip" || type === "notes") continue;
    const starts = told ? type === "slide" || type === "subslide" : cell.cell_type === "markdown" && HEADING.test(cell.source);
    if (starts || slides.length === 0) slides.push([cell.id]);
    else slides[slides.length - 1]!.push(cell.id);
  }
  return slides;
}

export interface Heading {
  cellId: string;
  level: number;
  text: string;
}

/** The headings of the markdown cells, fences left out. */
export function outlineOf(notebook: NotebookState): Heading[] {
  return notebook.order.flatMap((cellId) => {
    const cell = notebook.cells[cellId];
    if (cell?.cell_type !== "markdown") return [];
    let fenced = false;
    return cell.source.split("\n").flatMap((line) => {
      if (/^\s{0,3}(```|~~~)/.test(line)) fenced = !fenced;
      const found = fenced ? null : /^\s{0,3}(#{1,6})\s+(.+?)\s*#*\s*$/.exec(line);
      return found ? [{ cellId, level: found[1]!.length, text: found[2]!.replace(/[*_`~]|\[([^\]]*)\]\([^)]*\)/g, "$1") }] : [];
    });
  });
}
