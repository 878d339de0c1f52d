import { Prec, StateEffect, StateField, type EditorState, type Extension } from "@codemirror/state";
import { EditorView, hoverTooltip, keymap, showTooltip, type Tooltip } from "@codemirror/view";
import { say } from "../i18n";
import type { Session } from "../session/session";
import type { Json } from "../wire/types";
import { isListOpen, toCodePoints } from "./completion";
import { stripAnsi } from "./outputs/ansi";

const MAX_CHARS = 6000;

/** What the kernel says of the name at `pos`; null when it knows nothing, or is busy and would answer only after its run;
 * undefined when somebody here asked something newer meanwhile. */
export async function ask(session: Session, state: EditorState, pos: number, detail = 0): Promise<string | null | undefined> {
  const { kernel, phase } = session.store.get();
  if (kernel.state !== "idle" || phase !== "open") return null;
  const code = state.doc.toString();
  const reply = await session.command("inspect", { code, cursor_pos: toCodePoints(code, pos), detail_level: detail }, "read");
  if (!reply.ok && reply.error?.code === "cancelled") return undefined;
  const content = (reply.ok ? reply.content : null) as { found?: boolean; data?: Record<string, Json> } | null;
  const text = content?.found ? content.data?.["text/plain"] : null;
  return typeof text === "string" ? stripAnsi(text).slice(0, MAX_CHARS) : null;
}

/** A signature and its first paragraph: what help is wanted in the middle of typing. */
export function signatureOf(text: string): string {
  const signature = /^(?:Init s|S)ignature:\s*([\s\S]*?)(?=\n\w[\w ]*:|$)/m.exec(text)?.[1]?.trim();
  const doc = /^(?:Init docstring|Docstring):\s*([\s\S]*?)(?=\n(?:File|Type|Subclasses|Init docstring|Class docstring):|$)/m.exec(text)?.[1]?.trim();
  const first = doc?.split(/\n\s*\n/)[0]?.trim();
  return [signature, first].filter(Boolean).join("\n\n") || text.trim();
}

function view(text: string): { dom: HTMLElement } {
  const dom = document.createElement("div");
  dom.className = "inspect";
  dom.dataset.testid = "inspect";
  dom.textContent = text;
  return { dom };
}

const setHelp = StateEffect.define<Tooltip | null>();

const help = StateField.define<Tooltip | null>({
  create: () => null,
  update(value, transaction) {
    for (const effect of transaction.effects) if (effect.is(setHelp)) return effect.value;
    if (value && transaction.docChanged) {
      // Gone when its parenthesis is closed or taken away.
      const pos = transaction.changes.mapPos(value.pos);
      const typed = transaction.newDoc.sliceString(pos, transaction.newSelection.main.head);
      return pos > transaction.newSelection.main.head || typed.includes(")") || typed.includes("\n") ? null : { ...value, pos };
    }
    return value;
  },
  provide: (field) => showTooltip.from(field),
});

async function showHelp(session: Session, editor: EditorView, at: number, pos: number, sayNothing: boolean): Promise<void> {
  const text = await ask(session, editor.state, at);
  if (text === undefined || (text === null && !sayNothing)) return;
  const words = text === null ? say("inspect.nothing") : signatureOf(text);
  if (!editor.dom.isConnected) return;
  editor.dispatch({ effects: setHelp.of({ pos: Math.min(pos, editor.state.doc.length), above: true, create: () => view(words) }) });
}

/** Hovering a name, typing a call's parenthesis and Shift+Tab all ask the kernel's own inspector. */
export function kernelInspection(session: Session): Extension {
  return [
    help,
    hoverTooltip(
      async (editor, pos) => {
        const word = editor.state.wordAt(pos);
        if (!word) return null;
        const text = await ask(session, editor.state, word.to);
        return text == null ? null : { pos: word.from, end: word.to, above: true, create: () => view(signatureOf(text)) };
      },
      { hoverTime: 600 },
    ),
    EditorView.domEventHandlers({
      blur(_event, editor) {
        // Not inside the update that moves the focus.
        if (editor.state.field(help, false)) setTimeout(() => editor.dom.isConnected && editor.dispatch({ effects: setHelp.of(null) }));
      },
    }),
    EditorView.updateListener.of((update) => {
      if (!update.docChanged || !update.transactions.some((transaction) => transaction.isUserEvent("input.type"))) return;
      const { head } = update.state.selection.main;
      if (update.state.sliceDoc(head - 1, head) !== "(" || !/[\w\])]/.test(update.state.sliceDoc(Math.max(0, head - 2), head - 1))) return;
      void showHelp(session, update.view, head - 1, head, false);
    }),
    Prec.highest(
      keymap.of([
        {
          key: "Shift-Tab",
          run(editor) {
            const { main } = editor.state.selection;
            if (!main.empty || !/[\w.(]/.test(editor.state.sliceDoc(main.head - 1, main.head))) return false;
            const back = editor.state.sliceDoc(main.head - 1, main.head) === "(" ? 1 : 0;
            void showHelp(session, editor, main.head - back, main.head, true);
            return true;
          },
        },
        {
          key: "Escape",
          run(editor) {
            if (isListOpen(editor.state) || !editor.state.field(help, false)) return false;
            editor.dispatch({ effects: setHelp.of(null) });
            return true;
          },
        },
      ]),
    ),
  ];
}
