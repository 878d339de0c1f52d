/** The keys of Jupyter's command mode, as data: what a key press means, without doing it. */
export type Shortcut =
  | "edit"
  | "run-advance"
  | "run-stay"
  | "run-insert"
  | "insert-above"
  | "insert-below"
  | "delete"
  | "undo-delete"
  | "undo"
  | "redo"
  | "to-code"
  | "to-markdown"
  | "to-raw"
  | "previous"
  | "next"
  | "first"
  | "last"
  | "move-up"
  | "move-down"
  | "restart"
  | "interrupt"
  | "save"
  | "find"
  | "extend-up"
  | "extend-down"
  | "select-all"
  | "copy"
  | "cut"
  | "paste"
  | "fold-outputs"
  | "fold-source"
  | "format"
  | "escape"
  | "help";

export interface KeyPress {
  key: string;
  ctrl: boolean;
  meta: boolean;
  shift: boolean;
  alt: boolean;
}

/** Two presses of these within the time make one command. */
const DOUBLE: Record<string, Shortcut> = { d: "delete", "0": "restart", i: "interrupt" };
export const DOUBLE_MS = 800;

const SINGLE: Record<string, Shortcut> = {
  Enter: "edit",
  a: "insert-above",
  b: "insert-below",
  z: "undo-delete",
  y: "to-code",
  m: "to-markdown",
  r: "to-raw",
  k: "previous",
  ArrowUp: "previous",
  j: "next",
  ArrowDown: "next",
  Home: "first",
  End: "last",
  h: "help",
  c: "copy",
  x: "cut",
  v: "paste",
  o: "fold-outputs",
  f: "find",
  Escape: "escape",
};

const SHIFTED: Record<string, Shortcut> = { J: "extend-down", ArrowDown: "extend-down", K: "extend-up", ArrowUp: "extend-up", O: "fold-source", F: "format" };

export class ShortcutReader {
  private first: { key: string; at: number } | null = null;

  /** Keys that work in both modes. */
  anywhere(press: KeyPress): Shortcut | null {
    const command = press.ctrl || press.meta;
    if (command && !press.alt && press.key.toLowerCase() === "s") return "save";
    if (command && !press.alt && !press.shift && press.key.toLowerCase() === "f") return "find";
    if (press.key !== "Enter") return null;
    if (press.shift && !command && !press.alt) return "run-advance";
    if (command && !press.shift && !press.alt) return "run-stay";
    if (press.alt && !command && !press.shift) return "run-insert";
    return null;
  }

  /** Keys of command mode; `at` is the press's time in milliseconds. */
  command(press: KeyPress, at: number): Shortcut | null {
    const global = this.anywhere(press);
    const before = this.first;
    this.first = null;
    if (global) return global;
    if (press.alt && !press.ctrl && !press.meta) return press.key === "ArrowUp" ? "move-up" : press.key === "ArrowDown" ? "move-down" : null;
    if ((press.ctrl || press.meta) && !press.alt) {
      const key = press.key.toLowerCase();
      if (key === "z") return press.shift ? "redo" : "undo";
      if (press.shift) return null;
      return key === "y" ? "redo" : press.key === "a" ? "select-all" : null;
    }
    if (press.shift && !press.ctrl && !press.meta && !press.alt) return SHIFTED[press.key] ?? null;
    if (press.ctrl || press.meta || press.alt) return null;
    const double = DOUBLE[press.key];
    if (double) {
      if (before?.key === press.key && at - before.at <= DOUBLE_MS) return double;
      this.first = { key: press.key, at };
      return null;
    }
    return SINGLE[press.key] ?? null;
  }
}
