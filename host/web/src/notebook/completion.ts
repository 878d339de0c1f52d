import {
  acceptCompletion,
  autocompletion,
  closeCompletion,
  completionKeymap,
  currentCompletions,
  startCompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult,
} from "@codemirror/autocomplete";
import { syntaxTree } from "@codemirror/language";
import { Prec, type EditorState, type Extension } from "@codemirror/state";
import { keymap, type EditorView, type KeyBinding } from "@codemirror/view";
import type { Session } from "../session/session";
import { completesUnasked } from "./unasked";

/** Jupyter counts in Unicode code points, CodeMirror in UTF-16 units. */
export function toCodePoints(text: string, unit: number): number {
  return [...text.slice(0, unit)].length;
}

export function fromCodePoints(text: string, points: number): number {
  return [...text].slice(0, points).join("").length;
}

interface KernelMatches {
  matches?: unknown;
  cursor_start?: unknown;
  cursor_end?: unknown;
  metadata?: { _jupyter_types_experimental?: { text?: unknown; type?: unknown }[] };
}

/** The kernel's reply as options; null when it knows nothing here. */
export function readCompletions(code: string, content: KernelMatches): CompletionResult | null {
  if (!Array.isArray(content.matches) || content.matches.length === 0) return null;
  const types = new Map((content.metadata?._jupyter_types_experimental ?? []).map((entry) => [String(entry.text), String(entry.type ?? "")]));
  const options = content.matches.map((match): Completion => {
    const label = String(match);
    const type = types.get(label);
    return type && type !== "<unknown>" ? { label, detail: type } : { label };
  });
  const from = fromCodePoints(code, Number(content.cursor_start ?? 0));
  return { from, to: fromCodePoints(code, Number(content.cursor_end ?? 0)), options, validFor: /^\w*$/ };
}

/** Whoever types must have paused for so long before the kernel is asked. */
const PAUSE_MS = 150;

/** A name, or what ends an expression, and a dot; what follows it may have begun. */
const MEMBER = /(?:(?:^|[^\p{L}\p{N}_])[\p{L}_][\p{L}\p{N}_]*|[)\]}"'])\.\w*$/u;

/** Members are written at `pos`: no number, and no prose in a text or a comment. */
export function atMember(state: EditorState, pos: number): boolean {
  const line = state.doc.lineAt(pos);
  if (!MEMBER.test(line.text.slice(0, pos - line.from))) return false;
  return !/String$|Comment$/.test(syntaxTree(state).resolveInner(pos, -1).name);
}

/** The list is there to be chosen from. */
export const isListOpen = (state: EditorState) => currentCompletions(state).length > 0;

/** Closes the list, or keeps it from coming; the key does what it does besides. */
function close(view: EditorView): false {
  closeCompletion(view);
  return false;
}

/** One editor's questions to the kernel, and the keys of their list. */
class KernelCompletion {
  /** The list came by itself, and nobody has taken notice of it. */
  private unasked = false;

  constructor(private readonly session: Session) {}

  async ask(context: CompletionContext): Promise<CompletionResult | null> {
    if (context.state.readOnly || !(context.explicit || this.comesUnasked(context))) return null;
    const code = context.state.doc.toString();
    const reply = await this.session.command("complete", { code, cursor_pos: toCodePoints(code, context.pos) }, "read");
    if (!reply.ok || context.aborted) return null;
    this.unasked = !context.explicit;
    return readCompletions(code, (reply.content ?? {}) as KernelMatches);
  }

  /** A kernel that runs something would answer only when nobody wants it any more. */
  private comesUnasked(context: CompletionContext): boolean {
    const { kernel, phase } = this.session.store.get();
    return kernel.state === "idle" && phase === "open" && atMember(context.state, context.pos) && completesUnasked();
  }

  keys(): KeyBinding[] {
    return [
      { key: "Tab", run: (view) => this.tab(view) },
      // Who goes on to the next line has not chosen the list's first entry.
      { key: "Enter", run: (view) => (this.unasked && isListOpen(view.state) ? close(view) : acceptCompletion(view)) },
      { key: "Escape", run: (view) => (isListOpen(view.state) ? closeCompletion(view) : close(view)) },
      ...completionKeymap.filter(({ key }) => key !== "Enter" && key !== "Escape").map((binding) => this.noticed(binding)),
    ];
  }

  /** Tab completes after a word or a dot, and indents elsewhere. */
  private tab(view: EditorView): boolean {
    if (isListOpen(view.state)) return acceptCompletion(view) || true;
    const { main } = view.state.selection;
    if (!main.empty || main.head === 0 || view.state.readOnly) return false;
    return /[\w.]/.test(view.state.sliceDoc(main.head - 1, main.head)) && startCompletion(view);
  }

  private noticed(binding: KeyBinding): KeyBinding {
    const { run } = binding;
    if (!run) return binding;
    const chosen = (view: EditorView) => {
      if (!run(view)) return false;
      this.unasked = false;
      return true;
    };
    return { ...binding, run: chosen };
  }
}

export function kernelCompletion(session: Session): Extension {
  const completion = new KernelCompletion(session);
  return [
    autocompletion({ override: [(context) => completion.ask(context)], activateOnTypingDelay: PAUSE_MS, interactionDelay: 0, icons: false, defaultKeymap: false }),
    Prec.highest(keymap.of(completion.keys())),
  ];
}
