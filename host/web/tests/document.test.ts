import * as Automerge from "@automerge/automerge";
import { describe, expect, it } from "vitest";
import type { Automerge as AutomergeModule } from "../src/document/automerge";
import { NotebookDocument } from "../src/document/notebook_document";
import type { Overtaken } from "../src/document/replica";
import type { NotebookDoc } from "../src/document/schema";
import { fromSnapshot } from "../src/store/reducer";
import type { NotebookState } from "../src/store/session_state";
import type { CellType, Reply } from "../src/wire/types";

const ACTORS = ["aa".repeat(16), "bb".repeat(16), "cc".repeat(16)];

/** The host's side: its own Automerge document, which takes or refuses what is submitted. */
class HostSide {
  doc: Automerge.Doc<NotebookDoc>;
  submissions: { chunks: readonly Uint8Array[]; flush: { epoch: number } | null; answer: (reply: Partial<Reply>) => void }[] = [];

  constructor(cells: [string, CellType, string][]) {
    const scalar = (text: string) => new Automerge.ImmutableString(text);
    this.doc = Automerge.from<NotebookDoc>({ cells: {}, metadata: {} }, { actor: "ff".repeat(16) });
    this.doc = Automerge.change(this.doc, (draft) => {
      cells.forEach(([id, type, source], at) => {
        draft.cells[id] = { id: scalar(id), cell_type: scalar(type), position: scalar(`8${at + 1}80`), source, metadata: {} };
      });
    });
  }

  get bytes(): Uint8Array {
    return Automerge.save(this.doc);
  }

  source(id: string): string {
    return this.doc.cells[id]!.source;
  }

  /** Accepts the oldest submission. */
  accept(): void {
    const submission = this.submissions.shift()!;
    [this.doc] = Automerge.applyChanges(this.doc, [...submission.chunks]);
    submission.answer({ ok: true });
  }

  refuse(code: string, actor: string): void {
    this.submissions.shift()!.answer({ ok: false, error: { code, message: code, details: { actor } } });
  }

  type(id: string, index: number, text: string): Uint8Array {
    return this.change((draft) => Automerge.splice(draft, ["cells", id, "source"], index, 0, text));
  }

  change(how: (draft: NotebookDoc) => void): Uint8Array {
    this.doc = Automerge.change(this.doc, how);
    return Automerge.getLastLocalChange(this.doc)!;
  }

  /** Deletes a cell and puts it back, as a restored version does: the same id, another object. */
  putBack(id: string, source: string): Uint8Array[] {
    const scalar = (text: string) => new Automerge.ImmutableString(text);
    const cell = { id: scalar(id), cell_type: scalar("code"), position: scalar("8180"), source, metadata: {} };
    return [this.change((draft) => void delete draft.cells[id]), this.change((draft) => void (draft.cells[id] = cell))];
  }
}

function tab(host: HostSide, options: { loaded?: Promise<AutomergeModule> } = {}) {
  const state = { notebook: null as NotebookState | null, canEdit: true, refused: [] as [NotebookState, NotebookState][], overtaken: [] as Overtaken[], unsent: false };
  const document = new NotebookDocument(
    {
      notebook: () => state.notebook,
      publish: (notebook) => (state.notebook = notebook),
      submit: (chunks, flush) => new Promise((resolve) => host.submissions.push({ chunks, flush, answer: (reply) => resolve({ id: "1", ok: false, ...reply }) })),
      canEdit: () => state.canEdit,
      refused: (mine, theirs) => void state.refused.push([mine, theirs]),
      overtaken: (typing) => void state.overtaken.push(...typing),
      unsent: (unsent) => (state.unsent = unsent),
      ready: () => undefined,
      failed: (error) => {
        throw error;
      },
    },
    () => options.loaded ?? Promise.resolve(Automerge as unknown as AutomergeModule),
  );
  return { document, state };
}

/** What a snapshot shows of the host's document. */
function snapshotOf(host: HostSide): NotebookState {
  const cells = Object.entries(host.doc.cells).map(([id, cell]) => ({ id, cell_type: String(cell.cell_type) as CellType, source: cell.source, metadata: {} }));
  return fromSnapshot({ metadata: {}, cells, heads: [], version: 1 });
}

async function connected(host: HostSide) {
  const made = tab(host);
  made.document.connected(ACTORS[0]!, "h1", null);
  await made.document.start();
  made.document.takeDocument(host.bytes, "h1");
  return made;
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
const type = (id: string, index: number, insert: string) => ({ type: "splice" as const, cell_id: id, index, del: 0, insert });

describe("the tab's document", () => {
  it("reads the host's cells in their order", async () => {
    const { state } = await connected(new HostSide([["b", "markdown", "# hi"], ["a", "code", "1"]]));
    expect(state.notebook?.order).toEqual(["b", "a"]);
    expect(state.notebook?.cells.b).toMatchObject({ cell_type: "markdown", source: "# hi" });
  });

  it("sends what is typed, one submission at a time, the rest together", async () => {
    const host = new HostSide([["a", "code", ""]]);
    const { document, state } = await connected(host);
    for (const [at, letter] of [..."hello"].entries()) document.edit([type("a", at, letter)]);
    expect(state.notebook?.cells.a?.source).toBe("hello");
    expect(host.submissions.map((submission) => submission.chunks.length)).toEqual([1]);
    expect(state.unsent).toBe(true);
    host.accept();
    await settled();
    expect(host.submissions.map((submission) => submission.chunks.length)).toEqual([4]);
    host.accept();
    await document.settle();
    expect(host.source("a")).toBe("hello");
    expect(state.unsent).toBe(false);
  });

  it("merges what others type, as exact splices", async () => {
    const host = new HostSide([["a", "code", "middle"]]);
    const { document, state } = await connected(host);
    const heard: unknown[] = [];
    document.onText("a", (splices, text, origin) => heard.push([splices, text, origin]));
    document.edit([type("a", 6, "!")], "me");
    document.takeChanges([host.type("a", 0, ">> ")]);
    expect(state.notebook?.cells.a?.source).toBe(">> middle!");
    expect(heard).toEqual([
      [[{ index: 6, del: 0, insert: "!" }], "middle!", "me"],
      [[{ index: 0, del: 0, insert: ">> " }], ">> middle!", undefined],
    ]);
    host.accept();
    expect(host.source("a")).toBe(">> middle!");
  });

  it("creates, moves, retypes and deletes cells in the schema's shape", async () => {
    const host = new HostSide([["a", "code", "1"], ["b", "code", "2"]]);
    const { document, state } = await connected(host);
    document.edit([{ type: "create_cell", cell_id: "n", cell_type: "code", source: "new", after: "a" }]);
    document.edit([{ type: "move_cell", cell_id: "b", after: null }]);
    document.edit([{ type: "set_cell_type", cell_id: "n", cell_type: "markdown" }]);
    expect(state.notebook?.order).toEqual(["b", "a", "n"]);
    host.accept();
    await settled();
    host.accept();
    const made = host.doc.cells.n!;
    expect(Object.keys(made)).toEqual(expect.arrayContaining(["id", "cell_type", "position", "source", "execution_count", "metadata", "resolved_assets", "attachments"]));
    expect(made.position).toBeInstanceOf(Automerge.ImmutableString);
    expect(String(made.cell_type)).toBe("markdown");
    document.edit([{ type: "delete_cell", cell_id: "a" }]);
    expect(state.notebook?.order).toEqual(["b", "n"]);
    expect(state.notebook?.cells.a).toBeUndefined();
  });

  it("keeps what is typed before Automerge is there and sends it afterwards", async () => {
    const host = new HostSide([["a", "code", "x"]]);
    let arrive: (module: AutomergeModule) => void = () => undefined;
    const { document, state } = tab(host, { loaded: new Promise((resolve) => (arrive = resolve)) });
    state.notebook = snapshotOf(host);
    document.connected(ACTORS[0]!, "h1", state.notebook);
    void document.start();
    document.edit([type("a", 1, " = 1")]);
    document.edit([{ type: "create_cell", cell_id: "n", cell_type: "code", source: "early", after: "a" }]);
    expect(state.notebook.cells.a?.source).toBe("x = 1");
    document.takeDocument(host.bytes, "h1");
    document.takeChanges([host.type("a", 0, "# ")]);
    expect(state.unsent).toBe(true);
    arrive(Automerge as unknown as AutomergeModule);
    await settled();
    expect(state.notebook.order).toEqual(["a", "n"]);
    host.accept();
    await document.settle();
    expect(host.doc.cells.n?.source).toBe("early");
    expect(host.source("a")).toBe("# x = 1");
    expect(state.notebook.cells.a?.source).toBe("# x = 1");
  });

  it("hands out what was typed before Automerge was there in a text that the document no longer has", async () => {
    const host = new HostSide([["a", "code", "x"], ["b", "code", "y"]]);
    const { document, state } = tab(host);
    state.notebook = snapshotOf(host);
    document.connected(ACTORS[0]!, "h1", state.notebook);
    document.edit([type("a", 1, " = 1")]);
    document.edit([type("b", 1, " = 2")]);
    host.type("a", 0, "# others\n");
    document.takeDocument(host.bytes, "h1");
    await document.start();
    host.accept();
    await document.settle();
    expect(state.overtaken).toEqual([{ cell_id: "a", base: "x", text: "x = 1" }]);
    expect([host.source("a"), host.source("b")]).toEqual(["# others\nx", "y = 2"]);
    expect(state.notebook.cells.a?.source).toBe("# others\nx");
  });

  it("keeps what is typed early over a snapshot that comes again, and hands out what does not fit it", async () => {
    const host = new HostSide([
      ["a", "code", "x"],
      ["b", "code", "y"],
    ]);
    const { document, state } = tab(host);
    state.notebook = snapshotOf(host);
    document.connected(ACTORS[0]!, "h1", state.notebook);
    document.edit([type("a", 1, " = 1")]);
    document.edit([type("b", 1, " = 2")]);
    host.type("b", 0, "their ");
    state.notebook = snapshotOf(host);
    document.connected(ACTORS[0]!, "h1", state.notebook);
    expect(state.notebook.cells.a!.source).toBe("x = 1");
    expect(state.notebook.cells.b!.source).toBe("their y");
    expect(state.overtaken).toEqual([{ cell_id: "b", base: "y", text: "y = 2" }]);
    document.takeDocument(host.bytes, "h1");
    await document.start();
    host.accept();
    await document.settle();
    expect([host.source("a"), host.source("b")]).toEqual(["x = 1", "their y"]);
  });

  it("does not take a document that came with an earlier line for the one of this line", async () => {
    const host = new HostSide([["a", "code", "x"]]);
    let arrive: (module: AutomergeModule) => void = () => undefined;
    const { document, state } = tab(host, { loaded: new Promise((resolve) => (arrive = resolve)) });
    state.notebook = snapshotOf(host);
    document.connected(ACTORS[0]!, "h1", state.notebook);
    void document.start();
    document.takeDocument(host.bytes, "h1");
    document.lost();
    host.type("a", 1, " = 1");
    document.connected(ACTORS[0]!, "h1", snapshotOf(host));
    document.edit([type("a", 5, "0")]);
    arrive(Automerge as unknown as AutomergeModule);
    await settled();
    expect([state.notebook.cells.a!.source, state.overtaken]).toEqual(["x = 10", []]);
    document.takeDocument(host.bytes, "h1");
    expect(document.isReady).toBe(true);
    host.accept();
    await document.settle();
    expect([host.source("a"), state.notebook.cells.a!.source, state.overtaken]).toEqual(["x = 10", "x = 10", []]);
  });

  it("shows the other history that it comes back to before the document is here, and types into that", async () => {
    const host = new HostSide([["a", "code", "old text"]]);
    const { document, state } = tab(host);
    state.notebook = snapshotOf(host);
    document.connected(ACTORS[0]!, "h1", state.notebook);
    const heard: string[] = [];
    document.onText("a", (_splices, text) => void heard.push(text));
    document.edit([type("a", 8, " typed")]);
    const other = new HostSide([["a", "code", "a wholly new cell"]]);
    document.connected(ACTORS[0]!, "h2", snapshotOf(other));
    expect(state.refused.map(([mine]) => mine.cells.a!.source)).toEqual(["old text typed"]);
    expect([state.notebook.cells.a!.source, heard.at(-1)]).toEqual(["a wholly new cell", "a wholly new cell"]);
    document.edit([type("a", 17, "!")]);
    document.takeDocument(other.bytes, "h2");
    await document.start();
    expect(state.notebook.cells.a!.source).toBe("a wholly new cell!");
  });

  it("takes no offsets of an old text into a document of another history", async () => {
    const host = new HostSide([["a", "code", "old text"]]);
    const { document, state } = tab(host);
    state.notebook = snapshotOf(host);
    document.connected(ACTORS[0]!, "h1", state.notebook);
    const other = new HostSide([["a", "code", "a wholly new cell"]]);
    document.takeDocument(other.bytes, "h2");
    document.edit([type("a", 8, " typed")]);
    await document.start();
    expect(state.notebook.cells.a!.source).toBe("a wholly new cell");
    expect(state.overtaken).toEqual([{ cell_id: "a", base: "old text", text: "old text typed" }]);
  });

  it("hands out what was typed early when it comes back as somebody else", async () => {
    const host = new HostSide([["a", "code", "x"]]);
    const { document, state } = tab(host);
    state.notebook = snapshotOf(host);
    document.connected(ACTORS[0]!, "h1", state.notebook);
    document.edit([type("a", 1, " = 1")]);
    host.type("a", 0, "their ");
    state.notebook = snapshotOf(host);
    document.newIdentity();
    document.connected(ACTORS[1]!, "h1", snapshotOf(host));
    expect(state.notebook.cells.a!.source).toBe("their x");
    expect(state.refused.map(([mine, theirs]) => [mine.cells.a!.source, theirs.cells.a!.source])).toEqual([["x = 1", "x"]]);
    expect(document.hasUnsent).toBe(false);
  });

  it("flushes everything unsent once under the old epoch when the pen is gone", async () => {
    const host = new HostSide([["a", "code", ""]]);
    const { document, state } = await connected(host);
    document.edit([type("a", 0, "a")]);
    document.edit([type("a", 1, "b")]);
    state.canEdit = false;
    const demoted = document.demoted(7);
    expect(host.submissions).toHaveLength(2);
    host.refuse("stale_epoch", ACTORS[1]!);
    expect(host.submissions[0]).toMatchObject({ flush: { epoch: 7 } });
    expect(host.submissions[0]!.chunks).toHaveLength(2);
    host.accept();
    await demoted;
    expect(host.source("a")).toBe("ab");
    expect(state).toMatchObject({ unsent: false, refused: [] });
  });

  it("keeps what the host cannot record just now, and sends it when it can, nothing twice", async () => {
    const host = new HostSide([["a", "markdown", "# base"]]);
    const { document, state } = await connected(host);
    document.edit([type("a", 6, " mine")]);
    const waiting = document.settle();
    const sent = host.submissions[0]!.chunks;
    host.refuse("journal_failed", ACTORS[1]!);
    expect(await waiting).toBe(false);
    document.edit([type("a", 11, ", more")]);
    expect([await document.settle(), document.isHeld, host.submissions.length]).toEqual([false, true, 0]);
    expect([state.notebook?.cells.a?.source, state.unsent, state.refused]).toEqual(["# base mine, more", true, []]);
    // What was refused is kept by the host after all, and shown to everybody.
    [host.doc] = Automerge.applyChanges(host.doc, [...sent]);
    document.takeChanges([...sent]);
    document.release();
    host.accept();
    expect(await document.settle()).toBe(true);
    expect([host.source("a"), state.notebook?.cells.a?.source, state.refused]).toEqual(["# base mine, more", "# base mine, more", []]);
  });

  it("returns to the host's text and hands out the difference when the flush is refused", async () => {
    const host = new HostSide([["a", "code", "base"]]);
    const { document, state } = await connected(host);
    document.edit([type("a", 4, " mine")]);
    host.accept();
    await document.settle();
    document.edit([type("a", 9, " lost")]);
    document.takeChanges([host.type("a", 0, "# ")]);
    state.canEdit = false;
    const demoted = document.demoted(1);
    host.refuse("stale_epoch", ACTORS[1]!);
    host.refuse("stale_epoch", ACTORS[1]!);
    await demoted;
    expect(state.notebook?.cells.a?.source).toBe("# base mine");
    expect(state.refused.map(([mine, theirs]) => [mine.cells.a?.source, theirs.cells.a?.source])).toEqual([["# base mine lost", "# base mine"]]);
    // With the pen back, the fresh actor's changes fit the host's document.
    state.canEdit = true;
    document.edit([type("a", 0, "again ")]);
    host.accept();
    await document.settle();
    expect(host.source("a")).toBe("again # base mine");
  });

  it("tells whoever waits that a refused text did not arrive", async () => {
    const host = new HostSide([["a", "code", ""]]);
    const { document } = await connected(host);
    document.edit([type("a", 0, "x")]);
    const waiting = document.settle();
    host.refuse("malformed_change", ACTORS[1]!);
    expect(await waiting).toBe(false);
  });

  it("sends again what a cut line swallowed, and merges the document it comes back to", async () => {
    const host = new HostSide([["a", "code", "x"]]);
    const { document, state } = await connected(host);
    document.edit([type("a", 1, "1")]);
    document.lost();
    host.submissions.shift()!.answer({ ok: false, error: { code: "offline", message: "" } });
    await settled();
    document.edit([type("a", 2, "2")]);
    host.type("a", 0, "remote ");
    document.connected(ACTORS[0]!, "h1", null);
    expect(document.knownHeads()).not.toEqual(Automerge.getHeads(host.doc));
    document.takeDocument(host.bytes, "h1");
    expect(state.notebook?.cells.a?.source).toBe("remote x12");
    while (host.submissions.length > 0) {
      host.accept();
      await settled();
    }
    expect(host.source("a")).toBe("remote x12");
  });

  it("never syncs into another history: what was unsent becomes a draft", async () => {
    const host = new HostSide([["a", "code", "old"]]);
    const { document, state } = await connected(host);
    document.edit([type("a", 3, " unsent")]);
    document.lost();
    const other = new HostSide([["a", "code", "new file"]]);
    document.connected(ACTORS[2]!, "h2", null);
    document.takeDocument(other.bytes, "h2");
    expect(state.notebook?.cells.a?.source).toBe("new file");
    expect(state.refused.map(([mine]) => mine.cells.a?.source)).toEqual(["old unsent"]);
    expect(state.unsent).toBe(false);
  });

  it("hands out what was typed into a cell that others took away, or took away and put back", async () => {
    const host = new HostSide([["a", "code", "x"], ["b", "code", "y"]]);
    const { document, state } = await connected(host);
    document.edit([type("a", 1, " = 1")]);
    document.edit([type("b", 1, "!")]);
    document.takeChanges(host.putBack("a", "x"));
    expect(state.overtaken).toEqual([{ cell_id: "a", base: "x", text: "x = 1" }]);
    document.takeChanges([host.change((draft) => void delete draft.cells.b)]);
    expect(state.overtaken.slice(1)).toEqual([{ cell_id: "b", base: "y", text: "y!" }]);
    while (host.submissions.length > 0) {
      host.accept();
      await settled();
    }
    expect([state.unsent, state.notebook?.cells.a?.source, host.source("a"), state.notebook?.cells.b]).toEqual([false, "x", "x", undefined]);
    // Typed anew, and merged with what others type: that loses nothing.
    document.edit([type("a", 1, "2")]);
    document.takeChanges([host.type("a", 0, "# ")]);
    host.accept();
    await settled();
    expect([state.overtaken.length, state.notebook?.cells.a?.source]).toEqual([2, "# x2"]);
    // The same with a whole document, as it comes to a tab that was away for long; and one's own deletion is none.
    document.edit([type("a", 4, "3")]);
    host.putBack("a", "# x2");
    document.lost();
    document.takeDocument(host.bytes, "h1");
    expect(state.overtaken.slice(2)).toEqual([{ cell_id: "a", base: "# x2", text: "# x23" }]);
    document.edit([type("a", 0, "own")]);
    document.edit([{ type: "delete_cell", cell_id: "a" }]);
    document.takeChanges([host.type("a", 0, "-")]);
    expect(state.overtaken).toHaveLength(3);
  });

  it("names places in a text that stay where they are while others type", async () => {
    const host = new HostSide([["a", "code", "alpha beta"]]);
    const [{ document }, { document: other }] = [await connected(host), await connected(host)];
    const [middle, end, start] = [document.cursorAt("a", 6)!, document.cursorAt("a", 10)!, document.cursorAt("a", 0)!];
    expect([middle, end, start].every((cursor) => /^[0-9a-z@-]{1,200}$/.test(cursor))).toBe(true);
    other.takeChanges([host.type("a", 0, ">> ")]);
    expect([middle, end].map((cursor) => other.indexOf("a", cursor))).toEqual([9, 13]);
    expect(document.indexOf("a", middle)).toBe(6);
    expect(document.cursorAt("gone", 0)).toBeNull();
    // A place in a text that has not come yet is none, and is one when it has.
    document.edit([type("a", 10, "!")]);
    const ahead = document.cursorAt("a", 10)!;
    expect(other.indexOf("a", ahead)).toBeNull();
    expect(other.indexOf("a", "nonsense")).toBeNull();
    const chunks = host.submissions[0]!.chunks;
    host.accept();
    other.takeChanges([...chunks]);
    expect(other.indexOf("a", ahead)).toBe(13);
  });
});
