import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState, Prec, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, keymap, type KeyBinding } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { isListOpen } from "./completion";
import { COLOURS } from "./syntax";

/** Keys that belong to an open list of completions while it is open. */
const isCompleting = (view: EditorView) => isListOpen(view.state);

const highlighting = HighlightStyle.define([
  ...COLOURS.map(({ name, tags: tag }) => ({ tag, color: `var(--syn-${name})`, ...(name === "comment" ? { fontStyle: "italic" } : {}) })),
  { tag: tags.heading, color: "var(--syn-keyword)", fontWeight: "600" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: tags.strong, fontWeight: "600" },
  { tag: [tags.link, tags.url], color: "var(--syn-function)" },
  { tag: tags.monospace, color: "var(--syn-string)" },
]);

const theme = EditorView.theme({
  "&": { backgroundColor: "transparent", color: "var(--text)", fontSize: "var(--code-size)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "var(--code-line)", overflowX: "auto" },
  ".cm-content": { padding: "var(--code-pad-y) 0", caretColor: "var(--text)" },
  ".cm-line": { padding: "0 var(--code-pad-x)" },
  ".cm-cursor": { borderLeftColor: "var(--text)", borderLeftWidth: "1.5px" },
  ".cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground": { backgroundColor: "var(--selection)" },
  ".cm-tooltip": { border: "1px solid var(--border-strong)", borderRadius: "8px", backgroundColor: "var(--surface)", color: "var(--text)", boxShadow: "var(--shadow)", overflow: "hidden" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "12.5px", maxHeight: "240px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "3px 10px" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent-soft)", color: "var(--text)" },
  ".cm-completionDetail": { color: "var(--text-soft)", fontStyle: "normal", marginLeft: "1.2em" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--match)", outline: "none" },
});

export interface EditorKeys {
  onKey(binding: "run-advance" | "run-stay" | "run-insert" | "save" | "escape" | "leave-up" | "leave-down"): void;
}

/** Leaves through the top or bottom only from the first or last line, with nothing selected. */
function atEdge(view: EditorView, side: "top" | "bottom"): boolean {
  const { main } = view.state.selection;
  if (!main.empty) return false;
  const line = view.state.doc.lineAt(main.head).number;
  return side === "top" ? line === 1 : line === view.state.doc.lines;
}

function notebookKeys(keys: EditorKeys): KeyBinding[] {
  const does = (binding: Parameters<EditorKeys["onKey"]>[0]) => () => {
    keys.onKey(binding);
    return true;
  };
  const unlessCompleting = (run: () => boolean) => (view: EditorView) => !isCompleting(view) && run();
  const leaves = (side: "top" | "bottom", binding: "leave-up" | "leave-down") => (view: EditorView) => {
    if (isCompleting(view) || !atEdge(view, side)) return false;
    keys.onKey(binding);
    return true;
  };
  return [
    { key: "Shift-Enter", run: does("run-advance") },
    { key: "Mod-Enter", run: does("run-stay") },
    { key: "Ctrl-Enter", run: does("run-stay") },
    { key: "Alt-Enter", run: does("run-insert") },
    { key: "Mod-s", run: does("save"), preventDefault: true },
    { key: "Escape", run: unlessCompleting(does("escape")) },
    { key: "ArrowUp", run: leaves("top", "leave-up") },
    { key: "ArrowDown", run: leaves("bottom", "leave-down") },
  ];
}

export const language = new Compartment();
export const editable = new Compartment();
export const behaviour = new Compartment();

export function readOnly(reader: boolean): Extension {
  return [EditorState.readOnly.of(reader), EditorView.editable.of(!reader)];
}

/** What all editors share; what differs or changes sits in the compartments. */
export const common: Extension = [
  // The document's text is taken as it is: a lone CR is a character, not a line break.
  EditorState.lineSeparator.of("\n"),
  history(),
  drawSelection(),
  indentOnInput(),
  indentUnit.of("    "),
  bracketMatching(),
  closeBrackets(),
  syntaxHighlighting(highlighting),
  theme,
  EditorView.lineWrapping,
  keymap.of([...closeBracketsKeymap, ...historyKeymap, indentWithTab, ...defaultKeymap]),
];

export function keysOf(keys: EditorKeys): Extension {
  return Prec.highest(keymap.of(notebookKeys(keys)));
}

/** A language that is here already; null while it has to be fetched. */
export function languageNow(name: string): Extension | null {
  if (name === "markdown") return fetched.get(name) ?? null;
  return /^(i?python\d?)$/i.test(name) ? PYTHON : [];
}

const PYTHON = python();
const fetched = new Map<string, Extension>();

export async function languageFor(name: string): Promise<Extension> {
  const known = languageNow(name);
  if (known !== null) return known;
  const markdown = (await import("@codemirror/lang-markdown")).markdown();
  fetched.set(name, markdown);
  return markdown;
}
