import { navigate, route } from "../ui/navigation";
import type { View } from "../ui/route";

/** The cell at the top of the window and where it stands, so that another view can begin there. */
interface Place {
  cellId: string;
  top: number;
}

let kept: Place | null = null;

function headerHeight(): number {
  return document.querySelector(".sticky")?.getBoundingClientRect().bottom ?? 0;
}

function placeNow(): Place | null {
  const under = Math.max(0, headerHeight());
  for (const cell of document.querySelectorAll<HTMLElement>("[data-cell-id]")) {
    const box = cell.getBoundingClientRect();
    if (box.height > 0 && box.bottom > under + 4) return { cellId: cell.dataset.cellId!, top: box.top - under };
  }
  return null;
}

/** Another view of the same notebook: the session, its drafts and its outputs stay as they are, and so does the place. */
export function changeView(view: View): void {
  const { path, session, view: before } = route.get();
  if (view === before || !(path || session)) return;
  kept = placeNow();
  navigate({ path, session, view }, false);
}

/** Call it when the new view is laid out. */
export function restorePlace(): string | null {
  const place = kept;
  kept = null;
  if (!place) return null;
  const put = () => {
    const cell = document.querySelector<HTMLElement>(`[data-cell-id="${CSS.escape(place.cellId)}"]`);
    if (cell && cell.getBoundingClientRect().height > 0) window.scrollBy(0, cell.getBoundingClientRect().top - Math.max(0, headerHeight()) - place.top);
  };
  put();
  // Again when the browser has laid out and has moved the window to where it thinks it was.
  requestAnimationFrame(() => requestAnimationFrame(put));
  return place.cellId;
}
