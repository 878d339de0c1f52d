import type { NotebookState } from "../store/session_state";
import type { Automerge, Doc, Patch } from "./automerge";
import type { Edit } from "./edits";
import { readCell, readNotebook, readOrder, writeEdit, type NotebookDoc } from "./schema";
import type { Splice } from "./text";

/** What a change did to the texts: the exact splices in order, or null where the whole text is new. */
export type TextChanges = Map<string, Splice[] | null>;

/** Typing on its way into a cell that somebody else took away meanwhile, perhaps to put it back: it went with the old cell. */
export interface Overtaken {
  cell_id: string;
  /** The cell's text as the host had it, and with the typing. */
  base: string;
  text: string;
}

/** Confirmed chunks are folded into one saved document past this many, to bound memory. */
const FOLD_AT = 2000;

/**
 * This tab's copy of the notebook document: what the host has confirmed, plus the own changes on their way. The confirmed part is kept as
 * bytes, so that a refused submission is undone by building the copy again from them.
 */
export class Replica {
  private doc: Doc<NotebookDoc>;
  private base: Uint8Array;
  private confirmed: Uint8Array[] = [];
  private unconfirmed: Uint8Array[] = [];
  private patches: Patch[] = [];
  /** Cells that the own changes on their way type in. */
  private readonly typedIn = new Set<string>();

  constructor(
    private readonly automerge: Automerge,
    bytes: Uint8Array,
    actor: string,
  ) {
    this.base = bytes;
    this.doc = this.load(bytes, actor);
  }

  /** The whole of it: what changed before is no news to the next `refresh`. */
  notebook(): NotebookState {
    this.patches = [];
    return readNotebook(this.doc);
  }

  /** What the host has, without the own changes on their way. */
  confirmedNotebook(): NotebookState {
    return readNotebook(this.confirmedDoc());
  }

  /** A place in a cell's text that moves with it; null when the cell is not there. */
  cursorAt(cellId: string, index: number): string | null {
    try {
      return this.automerge.getCursor(this.doc, ["cells", cellId, "source"], index);
    } catch {
      return null;
    }
  }

  /** Where such a place is now; null when the text it is in has not come yet. */
  indexOf(cellId: string, cursor: string): number | null {
    try {
      return this.automerge.getCursorPosition(this.doc, ["cells", cellId, "source"], cursor as never);
    } catch {
      return null;
    }
  }

  /** Heads the host knows: what this copy had before its own unconfirmed changes. */
  confirmedHeads(): string[] {
    return this.automerge.getHeads(this.unconfirmed.length === 0 ? this.doc : this.confirmedDoc());
  }

  get unsent(): readonly Uint8Array[] {
    return this.unconfirmed;
  }

  /** Makes a change of one's own; false when the edit's cell is gone and nothing was changed. */
  edit(edits: Edit[]): boolean {
    let wrote = false;
    const before = this.doc;
    this.doc = this.automerge.change(this.doc, { patchCallback: this.collect }, (draft) => {
      for (const edit of edits) wrote = writeEdit(this.automerge, draft, edit) || wrote;
    });
    if (this.doc === before || !wrote) return false;
    const chunk = this.automerge.getLastLocalChange(this.doc);
    if (!chunk) return false;
    this.unconfirmed.push(chunk);
    for (const edit of edits) if (edit.type === "splice") this.typedIn.add(edit.cell_id);
    return true;
  }

  applyRemote(chunks: Uint8Array[]): Overtaken[] {
    const overtaken = this.watchTyping();
    [this.doc] = this.automerge.applyChanges(this.doc, chunks, { patchCallback: this.collect });
    const lost = overtaken();
    this.confirmed.push(...chunks);
    return lost;
  }

  /** The host has these own changes. */
  confirm(chunks: readonly Uint8Array[]): void {
    const known = new Set(chunks);
    this.confirmed.push(...this.unconfirmed.filter((chunk) => known.has(chunk)));
    this.unconfirmed = this.unconfirmed.filter((chunk) => !known.has(chunk));
    if (this.unconfirmed.length === 0) this.typedIn.clear();
    if (this.confirmed.length > FOLD_AT && this.unconfirmed.length === 0) {
      this.base = this.automerge.save(this.doc);
      this.confirmed = [];
    }
  }

  /** Takes the host's whole document, keeping what is still on its way. Null when those changes no longer fit and were left out. */
  replace(bytes: Uint8Array, actor: string): Overtaken[] | null {
    const overtaken = this.watchTyping();
    this.doc = this.load(bytes, actor);
    if (this.unconfirmed.length > 0) [this.doc] = this.automerge.applyChanges(this.doc, this.unconfirmed);
    const fits = this.unconfirmed.length === 0 || this.automerge.getMissingDeps(this.doc, []).length === 0;
    const lost = fits ? overtaken() : null;
    this.base = bytes;
    this.confirmed = [];
    if (!fits) this.rollback(actor);
    return lost;
  }

  /** Back to what the host has. A fresh actor is needed: the old one's next sequence numbers are spent on the dropped changes. */
  rollback(actor: string): void {
    this.unconfirmed = [];
    this.typedIn.clear();
    this.doc = this.load(this.base, actor);
    if (this.confirmed.length > 0) [this.doc] = this.automerge.applyChanges(this.doc, this.confirmed);
  }

  setActor(actor: string): void {
    if (this.automerge.getActorId(this.doc) !== actor) this.doc = this.automerge.clone(this.doc, actor);
  }

  /** Brings `notebook` up to date with what changed since the last call, reading only the cells that were touched. */
  refresh(notebook: NotebookState): { notebook: NotebookState; texts: TextChanges } {
    const patches = this.patches;
    this.patches = [];
    const touched = touchedBy(patches);
    if (touched.everything) return { notebook: this.notebook(), texts: new Map(Object.keys(this.doc.cells).map((id) => [id, null])) };
    let { order, metadata } = notebook;
    let cells = notebook.cells;
    if (touched.cells.size > 0) {
      cells = { ...cells };
      for (const id of touched.cells) {
        const cell = this.doc.cells[id];
        if (cell) cells[id] = readCell(id, cell);
        else delete cells[id];
      }
    }
    if (touched.order) order = readOrder(this.doc);
    if (touched.metadata) metadata = readNotebook(this.doc).metadata;
    return { notebook: { order, cells, metadata }, texts: touched.texts };
  }

  /**
   * Call it before others' changes are merged, and what it returns after that, while `base` and `confirmed` are still the old ones. A cell that was
   * put back has its id and is another object: what is typed into the old one is taken by the host and shown by nobody.
   */
  private watchTyping(): () => Overtaken[] {
    const object = (id: string) => (this.doc.cells[id] ? this.automerge.getObjectId(this.doc.cells[id]) : null);
    const before = [...this.typedIn].flatMap((id) => (this.doc.cells[id] ? [{ id, object: object(id), text: this.doc.cells[id].source }] : []));
    return () => {
      const gone = before.filter((one) => object(one.id) !== one.object);
      if (gone.length === 0) return [];
      const known = this.confirmedDoc();
      return gone.flatMap(({ id, text }): Overtaken[] => {
        this.typedIn.delete(id);
        const base = known.cells[id]?.source ?? "";
        return text === base || text === this.doc.cells[id]?.source ? [] : [{ cell_id: id, base, text }];
      });
    };
  }

  private readonly collect = (patches: Patch[]) => {
    this.patches.push(...patches);
  };

  private confirmedDoc(): Doc<NotebookDoc> {
    const doc = this.automerge.load<NotebookDoc>(this.base);
    return this.confirmed.length > 0 ? this.automerge.applyChanges(doc, this.confirmed)[0] : doc;
  }

  private load(bytes: Uint8Array, actor: string): Doc<NotebookDoc> {
    return this.automerge.load<NotebookDoc>(bytes, { actor });
  }
}

interface Touched {
  everything: boolean;
  order: boolean;
  metadata: boolean;
  cells: Set<string>;
  texts: TextChanges;
}

function spliceOf(patch: Patch): Splice | null {
  const at = patch.path[3];
  if (patch.path.length !== 4 || typeof at !== "number") return null;
  if (patch.action === "splice") return { index: at, del: 0, insert: patch.value };
  if (patch.action === "del") return { index: at, del: patch.length ?? 1, insert: "" };
  return null;
}

function noteText(texts: TextChanges, id: string, patch: Patch): void {
  const known = texts.get(id);
  if (known === null) return;
  const splice = spliceOf(patch);
  if (splice === null) texts.set(id, null);
  else if (known) known.push(splice);
  else texts.set(id, [splice]);
}

function touchedBy(patches: Patch[]): Touched {
  const touched: Touched = { everything: false, order: false, metadata: false, cells: new Set(), texts: new Map() };
  for (const patch of patches) {
    const [root, id, field] = patch.path;
    if (root === "metadata") touched.metadata = true;
    else if (root === "cells" && typeof id === "string") {
      touched.cells.add(id);
      if (patch.path.length === 2 || field === "position") touched.order = true;
      if (field === "source") noteText(touched.texts, id, patch);
      else if (patch.path.length === 2) touched.texts.set(id, null);
    } else if (root === "cells") touched.everything = true;
  }
  return touched;
}
