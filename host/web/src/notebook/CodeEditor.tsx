import { historyField } from "@codemirror/commands";
import { Annotation, EditorState, Transaction, type ChangeSet, type ChangeSpec } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { useEffect, useRef } from "react";
import type { Edit } from "../document/edits";
import { diffText, type Splice } from "../document/text";
import { hueOf, nameOf } from "../room/names";
import type { Session } from "../session/session";
import { kernelCompletion } from "./completion";
import { highlightMatches, searched } from "./highlight_matches";
import { kernelInspection } from "./inspect";
import { placeCursors, remoteCursors, type PlacedCursor } from "./remote_cursors";
import { aheadEditor } from "./replay_typed";
import type { TypedAhead } from "./typed_ahead";
import { behaviour, common, editable, keysOf, language, languageFor, languageNow, readOnly, type EditorKeys } from "./editor_setup";

/** Comes with the editor: so is the language it reads most. */
export { paintCode } from "./paint_code";

/** Marks what came from the document, so that it is not sent back. */
const FromDocument = Annotation.define<boolean>();

const PARKED_FIELDS = { history: historyField };

/** Undo history and cursor of editors that scrolled away, per session and cell. */
const parked = new WeakMap<Session, Map<string, unknown>>();

function parkedOf(session: Session): Map<string, unknown> {
  let states = parked.get(session);
  if (!states) parked.set(session, (states = new Map()));
  return states;
}

export interface CodeEditorProps {
  session: Session;
  cellId: string;
  languageName: string;
  /** The kernel completes code, not prose. */
  completes: boolean;
  reader: boolean;
  label: string;
  /** What is looked for in the notebook. */
  search: RegExp | null;
  focused: boolean;
  focusTick: number;
  /** It is there and takes keys, or is so no longer. */
  onThere(there: boolean): void;
  onFocus(): void;
  onBlur(): void;
  keys: EditorKeys;
  /** What was typed before this editor was there. */
  ahead: TypedAhead;
}

function sendTyping(session: Session, cellId: string, view: EditorView, changes: ChangeSet): void {
  const edits: Edit[] = [];
  changes.iterChanges((fromA, toA, fromB, _toB, inserted) => {
    edits.push({ type: "splice", cell_id: cellId, index: fromB, del: toA - fromA, insert: inserted.toString() });
  });
  session.document.edit(edits, view);
}

/** The others who are in this cell's text, where it is now. What they saw may not have come yet: then they are shown with it. */
function cursorsIn(session: Session, cellId: string): PlacedCursor[] {
  const { cursors, room } = session.store.get();
  return cursors.flatMap((cursor) => {
    const member = cursor.cell_id === cellId ? room.members.find((known) => known.client_id === cursor.client_id) : undefined;
    if (!member || cursor.head === undefined) return [];
    const head = session.document.indexOf(cellId, cursor.head);
    const anchor = cursor.anchor === undefined ? head : session.document.indexOf(cellId, cursor.anchor);
    return head === null || anchor === null ? [] : [{ clientId: cursor.client_id, name: nameOf(member), hue: hueOf(cursor.client_id), anchor, head }];
  });
}

/** Keeps the others' cursors in an editor where they are. */
function showCursors(session: Session, cellId: string, view: EditorView): () => void {
  let shown: unknown = null;
  let any = false;
  const show = () => {
    const { cursors } = session.store.get();
    if (cursors === shown) return;
    shown = cursors;
    const here = cursorsIn(session, cellId);
    if (here.length === 0 && !any) return;
    any = here.length > 0;
    view.dispatch({ effects: placeCursors(here) });
  };
  show();
  const stops = [
    session.store.subscribe(show),
    session.document.onText(cellId, () => {
      if (!any && !session.store.get().cursors.some((cursor) => cursor.cell_id === cellId)) return;
      shown = null;
      show();
    }),
  ];
  return () => stops.forEach((stop) => stop());
}

function takeText(view: EditorView, splices: Splice[] | null, text: string): void {
  const annotations = [FromDocument.of(true), Transaction.addToHistory.of(false)];
  for (const splice of splices ?? []) {
    const length = view.state.doc.length;
    if (splice.index + splice.del > length) break;
    const changes: ChangeSpec = { from: splice.index, to: splice.index + splice.del, insert: splice.insert };
    view.dispatch({ changes, annotations, userEvent: "remote" });
  }
  const rest = diffText(view.state.doc.toString(), text);
  if (!rest) return;
  view.dispatch({ changes: { from: rest.index, to: rest.index + rest.del, insert: rest.insert }, annotations, userEvent: "remote" });
}

/** The editor of one cell: CodeMirror on the document's text, in step with it at every moment. */
export default function CodeEditor(props: CodeEditorProps) {
  const { session, cellId, languageName, reader, label, focused, focusTick } = props;
  const parent = useRef<HTMLDivElement>(null);
  const viewRef = useRef<EditorView | null>(null);
  const latest = useRef(props);
  latest.current = props;
  /** What the editor has been told: each telling makes its whole configuration anew. */
  const told = useRef<{ language: string | null; search: RegExp | null; reader: boolean }>({ language: null, search: null, reader: false });

  useEffect(() => {
    const extensions = [
      // Before the notebook's own keys: Escape and Tab belong to what is open over the text.
      ...(latest.current.completes ? [kernelCompletion(session), kernelInspection(session)] : []),
      behaviour.of(keysOf({ onKey: (binding) => latest.current.keys.onKey(binding) })),
      common,
      remoteCursors,
      language.of(languageNow(latest.current.languageName) ?? []),
      searched.of(highlightMatches(latest.current.search)),
      editable.of(readOnly(latest.current.reader)),
      EditorView.contentAttributes.of({ "aria-label": latest.current.label, spellcheck: "false", autocapitalize: "off", autocorrect: "off" }),
      EditorView.updateListener.of((update) => {
        if (update.focusChanged && update.view.hasFocus) latest.current.onFocus();
        // A window that lost the focus gives it back to the editor later: that is no leaving.
        if (update.focusChanged && !update.view.hasFocus && document.hasFocus()) latest.current.onBlur();
        const typed = update.docChanged && !update.transactions.every((transaction) => transaction.annotation(FromDocument));
        if (typed) sendTyping(session, cellId, update.view, update.changes);
        // After the typing: the offsets are of the text that it made.
        if (update.view.hasFocus && (update.focusChanged || update.selectionSet || update.docChanged)) {
          const { anchor, head } = update.state.selection.main;
          session.cursors.select(cellId, anchor, head);
        } else if (update.focusChanged && document.hasFocus()) session.cursors.clear();
      }),
    ];
    const text = session.store.get().notebook?.cells[cellId]?.source ?? "";
    const known = parkedOf(session).get(cellId);
    // Parked as data: a state would bring its extensions, whose listener points at the unmounted component.
    const state = known
      ? EditorState.fromJSON(known, { extensions }, PARKED_FIELDS)
      : EditorState.create({ doc: text, extensions });
    const view = new EditorView({ state, parent: parent.current! });
    viewRef.current = view;
    const { languageName: name, search, reader: reads } = latest.current;
    told.current = { language: languageNow(name) === null ? null : name, search, reader: reads };
    takeText(view, null, text);
    const stop = session.document.onText(cellId, (splices, next, origin) => {
      if (origin !== view) takeText(view, splices, next);
    });
    // After the text's own listener: positions are of the text it has put in.
    const stopCursors = showCursors(session, cellId, view);
    return () => {
      stop();
      stopCursors();
      parkedOf(session).set(cellId, view.state.toJSON(PARKED_FIELDS));
      view.destroy();
      viewRef.current = null;
    };
  }, [session, cellId, props.completes]);

  useEffect(() => {
    if (told.current.language === languageName) return;
    let current = true;
    void languageFor(languageName).then((extension) => {
      if (!current) return;
      told.current.language = languageName;
      viewRef.current?.dispatch({ effects: language.reconfigure(extension) });
    });
    return () => {
      current = false;
    };
  }, [languageName]);

  useEffect(() => {
    if (told.current.search === props.search) return;
    told.current.search = props.search;
    viewRef.current?.dispatch({ effects: searched.reconfigure(highlightMatches(props.search)) });
  }, [props.search]);

  useEffect(() => {
    if (told.current.reader === reader) return;
    told.current.reader = reader;
    viewRef.current?.dispatch({ effects: editable.reconfigure(readOnly(reader)) });
  }, [reader]);

  useEffect(() => {
    if (focused) viewRef.current?.focus();
  }, [focused, focusTick]);

  const { ahead, onThere } = props;
  // The last effect: what was typed goes into an editor that is whole and has the focus.
  useEffect(() => {
    const end = ahead.serve(cellId, aheadEditor(() => viewRef.current));
    onThere(true);
    return () => {
      end();
      onThere(false);
    };
  }, [ahead, onThere, session, cellId, props.completes]);

  return <div className="editor" ref={parent} data-label={label} />;
}
