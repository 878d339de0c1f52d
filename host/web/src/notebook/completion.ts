import { acceptCompletion, autocompletion, completionStatus, startCompletion, type Completion, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { Prec, type Extension } from "@codemirror/state";
import { keymap, type EditorView } from "@codemirror/view";
import type { Session } from "../session/session";

/** Jupyter counts in Unicode code points, CodeMirror in UTF-16 units. */
export function toCodePoints(text: string, unit: number): number {
  return [...text.slice(0, unit)].length;
}

export function fromCodePoints(text: string, points: number): number {
  return [...text].slice(0, points).join("").length;
}

interface KernelCompletion {
  matches?: unknown;
  cursor_start?: unknown;
  cursor_end?: unknown;
  metadata?: { _jupyter_types_experimental?: { text?: unknown; type?: unknown }[] };
}

/** The kernel's reply as options; null when it knows nothing here. */
export function readCompletions(code: string, content: KernelCompletion): CompletionResult | null {
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

async function ask(session: Session, context: CompletionContext): Promise<CompletionResult | null> {
  const code = context.state.doc.toString();
  const reply = await session.command("complete", { code, cursor_pos: toCodePoints(code, context.pos) }, "read");
  if (!reply.ok || context.aborted) return null;
  return readCompletions(code, (reply.content ?? {}) as KernelCompletion);
}

/** Tab completes after a word or a dot, and indents elsewhere. */
function tab(view: EditorView): boolean {
  if (completionStatus(view.state) === "active") return acceptCompletion(view);
  const { main } = view.state.selection;
  if (!main.empty || main.head === 0 || view.state.readOnly) return false;
  return /[\w.]/.test(view.state.sliceDoc(main.head - 1, main.head)) && startCompletion(view);
}

export function kernelCompletion(session: Session): Extension {
  return [
    autocompletion({ override: [(context) => ask(session, context)], activateOnTyping: false, interactionDelay: 0, icons: false }),
    Prec.highest(keymap.of([{ key: "Tab", run: tab }])),
  ];
}
