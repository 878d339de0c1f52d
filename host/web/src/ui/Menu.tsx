import { useEffect, useId, useLayoutEffect, useRef, useState, type KeyboardEvent, type ReactNode } from "react";

export interface MenuItem {
  label: string;
  onSelect(): void;
  /** One of several of which one is chosen; with `toggles` it is on or off by itself. */
  checked?: boolean;
  toggles?: boolean;
  /** The first of a group: a line above it. */
  begins?: boolean;
  disabled?: boolean;
  keys?: string;
  testId?: string;
}

/**
 * A button that opens a short list of things to do. Arrow keys, Home and End move in it, Escape closes it. `inRow`: of a list that is
 * scrolled, without an arrow of its own.
 */
export function Menu({ label, children, items, testId, disabled, inRow = false }: { label: string; children: ReactNode; items: MenuItem[]; testId?: string; disabled?: boolean; inRow?: boolean }) {
  const [open, setOpen] = useState(false);
  const [place, setPlace] = useState({ top: 0, start: 0 });
  const holder = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    if (!open || !list.current) return;
    // Below the button, above it where that would be out of the window.
    const { bottom, height } = list.current.getBoundingClientRect();
    const above = button.current!.getBoundingClientRect().top - height - 4;
    if (bottom > window.innerHeight && above >= 0) setPlace((known) => ({ ...known, top: above }));
  }, [open]);
  useEffect(() => {
    if (!open) return;
    holder.current?.querySelector<HTMLElement>("[role^=menuitem]:not([disabled])")?.focus({ preventScroll: true });
    const away = (event: Event) => !holder.current?.contains(event.target as Node) && setOpen(false);
    window.addEventListener("pointerdown", away);
    window.addEventListener("resize", away);
    // The list stands in the window, and a row would move away from it.
    if (inRow) window.addEventListener("scroll", away);
    return () => {
      window.removeEventListener("pointerdown", away);
      window.removeEventListener("resize", away);
      window.removeEventListener("scroll", away);
    };
  }, [open, inRow]);
  const toggle = () => {
    // Toolbars scroll sideways and would cut off what hangs out of them: the list is placed in the window.
    const box = button.current!.getBoundingClientRect();
    const rightToLeft = getComputedStyle(button.current!).direction === "rtl";
    setPlace({ top: box.bottom + 4, start: Math.max(8, Math.min(rightToLeft ? window.innerWidth - box.right : box.left, window.innerWidth - 268)) });
    setOpen(!open);
  };
  const close = () => {
    setOpen(false);
    button.current?.focus({ preventScroll: true });
  };
  const onKey = (event: KeyboardEvent) => {
    if (!open) return;
    event.stopPropagation();
    const entries = [...holder.current!.querySelectorAll<HTMLElement>("[role^=menuitem]:not([disabled])")];
    const at = entries.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: (at + 1) % entries.length, ArrowUp: (at - 1 + entries.length) % entries.length, Home: 0, End: entries.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      entries[to]?.focus({ preventScroll: true });
    } else if (event.key === "Escape" || event.key === "Tab") {
      if (event.key === "Escape") event.preventDefault();
      close();
    }
  };
  return (
    <div className="menu" ref={holder} onKeyDown={onKey}>
      <button ref={button} type="button" className="menu-button" aria-haspopup="menu" aria-expanded={open} aria-controls={open ? id : undefined} aria-label={label} title={label} onClick={toggle} disabled={disabled} data-testid={testId}>
        {children}
        {!inRow && <span className="caret" aria-hidden="true" />}
      </button>
      {open && (
        <div ref={list} className="menu-list" role="menu" id={id} aria-label={label} style={{ top: place.top, insetInlineStart: place.start }}>
          {items.map((item) => (
            <button
              key={item.label}
              type="button"
              role={item.checked === undefined ? "menuitem" : item.toggles ? "menuitemcheckbox" : "menuitemradio"}
              aria-checked={item.checked}
              disabled={item.disabled}
              className={item.begins ? "menu-begins" : undefined}
              tabIndex={-1}
              data-testid={item.testId}
              onClick={() => {
                close();
                item.onSelect();
              }}
            >
              <span>{item.label}</span>
              {item.keys && <kbd>{item.keys}</kbd>}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
