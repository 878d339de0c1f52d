import { EditorView, runScopeHandlers } from "@codemirror/view";
import { isText, type AheadEditor } from "./typed_ahead";

function insert(view: EditorView, text: string, userEvent: string): void {
  const transaction = () => view.state.update(view.state.replaceSelection(text), { userEvent, scrollIntoView: true });
  const { from, to } = view.state.selection.main;
  // What closes brackets and the like asks to be asked first.
  const handled = userEvent === "input.type" && view.state.facet(EditorView.inputHandler).some((handler) => handler(view, from, to, text, transaction));
  if (!handled) view.dispatch(transaction());
}

/** An editor for what was typed before it was there. */
export function aheadEditor(current: () => EditorView | null): AheadEditor {
  return {
    caret(offset) {
      const view = current();
      view?.dispatch({ selection: { anchor: Math.min(offset, view.state.doc.length) } });
    },
    take(typed) {
      const view = current();
      if (!view || view.state.readOnly) return;
      if ("paste" in typed) insert(view, typed.paste, "input.paste");
      else if ("text" in typed) insert(view, typed.text, "input.type");
      else if (!runScopeHandlers(view, typed.key, "editor") && isText(typed.key)) insert(view, typed.key.key, "input.type");
    },
  };
}
