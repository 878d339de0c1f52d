import { useRef, useSyncExternalStore } from "react";

/** A plain external store: one immutable value, replaced by whoever owns it. */
export interface Store<T> {
  get(): T;
  set(next: T): void;
  update(change: (value: T) => T): void;
  subscribe(listener: () => void): () => void;
  /** Holds notifications back until `flush`: a burst of wire messages renders once. */
  hold(): void;
  flush(): void;
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  let held = false;
  let dirty = false;
  const listeners = new Set<() => void>();
  const notify = () => {
    dirty = false;
    for (const listener of [...listeners]) listener();
  };
  const set = (next: T) => {
    if (Object.is(next, value)) return;
    value = next;
    dirty = true;
    if (!held) notify();
  };
  return {
    get: () => value,
    set,
    update: (change) => set(change(value)),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    hold() {
      held = true;
    },
    flush() {
      held = false;
      if (dirty) notify();
    },
  };
}

/** Reads a part of a store; renders again only when that part is another value. */
export function useStore<T, R>(store: Store<T>, select: (value: T) => R): R {
  const last = useRef<{ value: T; select: (value: T) => R; part: R } | null>(null);
  const read = () => {
    const value = store.get();
    const known = last.current;
    if (known && known.value === value && known.select === select) return known.part;
    const part = select(value);
    last.current = { value, select, part };
    return part;
  };
  return useSyncExternalStore(store.subscribe, read, read);
}
