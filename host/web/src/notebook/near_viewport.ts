import { useEffect, useState, type RefObject } from "react";

/** How far around the window things are mounted: editors and frames close by, cells earlier, so that a scroll finds them there. */
const MARGINS = { editor: "900px 0px", cell: "2000px 0px" } as const;
type What = keyof typeof MARGINS;

type Watcher = (near: boolean) => void;

class Watch {
  private readonly watchers = new Map<Element, Watcher>();
  private readonly observer: IntersectionObserver;

  constructor(rootMargin: string) {
    this.observer = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) this.watchers.get(entry.target)?.(entry.isIntersecting);
      },
      { rootMargin },
    );
  }

  add(element: Element, watcher: Watcher): () => void {
    this.watchers.set(element, watcher);
    this.observer.observe(element);
    return () => {
      this.watchers.delete(element);
      this.observer.unobserve(element);
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
    if (!watch) watches.set(what, (watch = new Watch(MARGINS[what])));
    return watch.add(element, setNear);
  }, [ref, what]);
  return near;
}
