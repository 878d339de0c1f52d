import { Compartment, RangeSetBuilder, type Extension } from "@codemirror/state";
import { Decoration, ViewPlugin, type DecorationSet, type EditorView, type ViewUpdate } from "@codemirror/view";

/** Marks what is looked for in one editor. */
export const searched = new Compartment();

const mark = Decoration.mark({ class: "found" });

function decorate(view: EditorView, pattern: RegExp): DecorationSet {
  const builder = new RangeSetBuilder<Decoration>();
  for (const match of view.state.doc.toString().matchAll(pattern)) builder.add(match.index, match.index + match[0].length, mark);
  return builder.finish();
}

export function highlightMatches(pattern: RegExp | null): Extension {
  if (!pattern) return [];
  const wanted = pattern;
  return ViewPlugin.fromClass(
    class {
      decorations: DecorationSet;
      constructor(view: EditorView) {
        this.decorations = decorate(view, wanted);
      }
      update(update: ViewUpdate) {
        if (update.docChanged) this.decorations = decorate(update.view, wanted);
      }
    },
    { decorations: (plugin) => plugin.decorations },
  );
}
