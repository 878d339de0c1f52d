import { useEffect, useState, type RefObject } from "react";

/** Editors and frames are mounted this far around the window. */
const MARGIN = "900px 0px";

type Watcher = (near: boolean) => void;
const watchers = new Map<Element, Watcher>();
let observer: IntersectionObserver | null = null;

function shared(): IntersectionObserver {
  observer ??= new IntersectionObserver(
    (entries) => {
      for (const entry of entries) watchers.get(entry.target)?.(entry.isIntersecting);
    },
    { rootMargin: MARGIN },
  );
  return observer;
}

/** Whether the element is in or near the window; one observer serves all cells. */
export function useNearViewport(ref: RefObject<Element | null>): boolean {
  const [near, setNear] = useState(false);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    watchers.set(element, setNear);
    shared().observe(element);
    return () => {
      watchers.delete(element);
      shared().unobserve(element);
    };
  }, [ref]);
  return near;
}
