import { useEffect, useState, type RefObject } from "react";
import { flushSync } from "react-dom";

/** How far around the window things are mounted: editors and frames close by, cells earlier, so that a scroll finds them there. */
const MARGINS = { editor: "900px 0px", cell: "2000px 0px" } as const;
type What = keyof typeof MARGINS;

type Watcher = (near: boolean) => void;

/** The window rests when it was not scrolled for this long. */
const RESTS_MS = 120;
const WAITS_AT_MOST_MS = 600;
const TURN_MS = 16;
/** Of a turn, so that a frame fits beside it. */
const SPENDS_MS = 8;

/**
 * Editors and frames take longer to make than a frame of the screen has. They are made one after another between frames, and while the window is being
 * scrolled only those that have waited for long: until then the cell's text is there without an editor.
 */
class Turns {
  private readonly waiting = new Map<Watcher, { near: boolean; since: number }>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private scrolledAt = Number.NEGATIVE_INFINITY;

  constructor() {
    window.addEventListener("scroll", () => (this.scrolledAt = performance.now()), { passive: true });
  }

  add(watcher: Watcher, near: boolean): void {
    // At the end, so that they are in the order of their waiting.
    this.waiting.delete(watcher);
    this.waiting.set(watcher, { near, since: performance.now() });
    this.timer ??= setTimeout(this.take, 0);
  }

  drop(watcher: Watcher): void {
    this.waiting.delete(watcher);
  }

  private readonly take = (): void => {
    this.timer = null;
    const begun = performance.now();
    const unseen = document.hidden;
    const scrolling = !unseen && begun - this.scrolledAt < RESTS_MS;
    for (const [watcher, { near, since }] of this.waiting) {
      if (scrolling && begun - since < WAITS_AT_MOST_MS) break;
      this.waiting.delete(watcher);
      // Here and now: what is only scheduled would fall into the next frame.
      flushSync(() => watcher(near));
      if (!unseen && (scrolling || performance.now() - begun > SPENDS_MS)) break;
    }
    if (this.waiting.size > 0) this.timer ??= setTimeout(this.take, TURN_MS);
  };
}

class Watch {
  private readonly watchers = new Map<Element, Watcher>();
  private readonly observer: IntersectionObserver;
  private readonly turns: Turns | null;

  constructor(what: What) {
    this.turns = what === "editor" ? new Turns() : null;
    this.observer = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) {
          const watcher = this.watchers.get(entry.target);
          if (watcher && this.turns) this.turns.add(watcher, entry.isIntersecting);
          else watcher?.(entry.isIntersecting);
        }
      },
      { rootMargin: MARGINS[what] },
    );
  }

  add(element: Element, watcher: Watcher): () => void {
    this.watchers.set(element, watcher);
    this.observer.observe(element);
    return () => {
      this.watchers.delete(element);
      this.observer.unobserve(element);
      this.turns?.drop(watcher);
    };
  }
}

const watches = new Map<What, Watch>();

/** Whether the element is in or near the window; one observer serves all of a kind. */
export function useNearViewport(ref: RefObject<Element | null>, what: What = "editor", first = false): boolean {
  const [near, setNear] = useState(first);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    let watch = watches.get(what);
    if (!watch) watches.set(what, (watch = new Watch(what)));
    return watch.add(element, setNear);
  }, [ref, what]);
  return near;
}
