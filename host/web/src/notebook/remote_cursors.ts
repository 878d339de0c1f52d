import { StateEffect, StateField, type Extension, type Range } from "@codemirror/state";
import { Decoration, EditorView, WidgetType, type DecorationSet } from "@codemirror/view";

/** Somebody else's cursor in this editor, by offsets of its text. */
export interface PlacedCursor {
  clientId: string;
  name: string;
  hue: number;
  anchor: number;
  head: number;
}

class Caret extends WidgetType {
  constructor(
    readonly name: string,
    readonly hue: number,
    readonly head: number,
  ) {
    super();
  }

  /** A caret that moved is another one: its name shows again for a moment. */
  override eq(other: Caret): boolean {
    return other.name === this.name && other.hue === this.hue && other.head === this.head;
  }

  toDOM(): HTMLElement {
    const caret = document.createElement("span");
    caret.className = "remote-caret";
    caret.style.setProperty("--hue", String(this.hue));
    caret.setAttribute("aria-hidden", "true");
    caret.dataset.testid = "remote-caret";
    // The style sheet shows the name: text in here would count as the cell's, to whoever copies or reads it.
    caret.dataset.name = this.name;
    return caret;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

const place = StateEffect.define<readonly PlacedCursor[]>();

function decorate(cursors: readonly PlacedCursor[], length: number): DecorationSet {
  const inside = (at: number) => Math.min(Math.max(at, 0), length);
  const ranges: Range<Decoration>[] = [];
  for (const { name, hue, anchor, head } of cursors) {
    const [from, to] = [inside(Math.min(anchor, head)), inside(Math.max(anchor, head))];
    if (from < to) ranges.push(Decoration.mark({ class: "remote-selection", attributes: { style: `--hue:${hue}` } }).range(from, to));
    ranges.push(Decoration.widget({ widget: new Caret(name, hue, inside(head)), side: 1 }).range(inside(head)));
  }
  return Decoration.set(ranges, true);
}

/** Where the others are in this editor. What is typed between two tellings moves them along. */
export const remoteCursors: Extension = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(shown, transaction) {
    let next = shown.map(transaction.changes);
    for (const effect of transaction.effects) if (effect.is(place)) next = decorate(effect.value, transaction.newDoc.length);
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

export const placeCursors = (cursors: readonly PlacedCursor[]) => place.of(cursors);
