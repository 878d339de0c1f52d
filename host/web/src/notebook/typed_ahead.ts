/** A key, a paste, or what an input method composed, that was meant for an editor whose code was still on its way. */
export type Typed = { key: KeyboardEvent } | { paste: string } | { text: string };

/** The editor of a cell, as what was typed ahead needs it. */
export interface AheadEditor {
  /** Puts the cursor where the person clicked. */
  caret(offset: number): void;
  /** Does what the key does in it. */
  take(typed: Typed): void;
}

const NAMED = new Set(["Enter", "Backspace", "Delete", "Tab", "Escape", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End"]);
/** With Ctrl: undo, redo, select all, save, comment. Whatever else is the browser's; a paste comes as an event of its own. */
const WITH_CONTROL = new Set(["z", "y", "a", "s", "/"]);

/** Whether a press puts its character into a text. */
export function isText(event: KeyboardEvent): boolean {
  if ([...event.key].length !== 1) return false;
  if (event.getModifierState("AltGraph")) return true;
  return !event.ctrlKey && !event.metaKey && (!event.altKey || /Mac/.test(navigator.platform));
}

/** What some browsers send in the place of a key that an input method has taken. */
const TAKEN_BY_INPUT_METHOD = 229;

/** Whether an editor would do something with a press. What an input method has taken comes as text when it is composed. */
export function isTyping(event: KeyboardEvent): boolean {
  if (event.isComposing || event.keyCode === TAKEN_BY_INPUT_METHOD) return false;
  if (isText(event) || NAMED.has(event.key)) return true;
  return (event.ctrlKey || event.metaKey) && WITH_CONTROL.has(event.key.toLowerCase());
}

/** What may be done in a cell that the person has left meanwhile: nothing that would move them. */
function staysInCell(typed: Typed): boolean {
  if (!("key" in typed)) return true;
  const plain = !typed.key.ctrlKey && !typed.key.metaKey && !typed.key.altKey && !typed.key.shiftKey;
  return isText(typed.key) || (plain && (typed.key.key === "Enter" || typed.key.key === "Backspace"));
}

/**
 * Keeps what is typed into a cell before its editor is there and does it when the editor comes, in order, as if it had been there all the time: a key
 * that runs the cell or leaves it takes what follows to where the keyboard is then.
 */
export class TypedAhead {
  private readonly waiting = new Map<string, Typed[]>();
  private readonly carets = new Map<string, number>();
  private readonly editors = new Map<string, AheadEditor>();

  /** `place`: the cell whose text the keyboard is in; null in command mode. */
  constructor(
    private readonly place: () => string | null,
    private readonly command: (event: KeyboardEvent) => void,
  ) {}

  add(cellId: string, typed: Typed): void {
    const editor = this.editors.get(cellId);
    const kept = this.waiting.get(cellId);
    if (editor) editor.take(typed);
    else if (kept) kept.push(typed);
    else this.waiting.set(cellId, [typed]);
  }

  /** Whether the editor of a cell is still on its way and nothing waits for it. */
  untouched(cellId: string): boolean {
    return !this.editors.has(cellId) && !this.waiting.has(cellId);
  }

  clicked(cellId: string, offset: number): void {
    this.carets.set(cellId, offset);
  }

  /** The editor of a cell is there, until the returned function is called. */
  serve(cellId: string, editor: AheadEditor): () => void {
    this.editors.set(cellId, editor);
    const caret = this.carets.get(cellId);
    const typed = this.waiting.get(cellId) ?? [];
    this.carets.delete(cellId);
    this.waiting.delete(cellId);
    if (caret !== undefined) editor.caret(caret);
    this.replay(cellId, typed);
    return () => {
      if (this.editors.get(cellId) === editor) this.editors.delete(cellId);
    };
  }

  private replay(cellId: string, all: Typed[]): void {
    const left = this.place() !== cellId;
    let here: string | null = cellId;
    for (const typed of all) {
      if (left && !staysInCell(typed)) continue;
      const before = this.place();
      if (here !== null) this.add(here, typed);
      else if ("key" in typed) this.command(typed.key);
      const after = this.place();
      if (after !== before) here = after;
    }
  }
}
