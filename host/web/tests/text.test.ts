import { describe, expect, it } from "vitest";
import { applyDraft, differences, mergeDrafts, withoutArrived } from "../src/document/drafts";
import { applySplice, diffText } from "../src/document/text";
import type { Draft, NotebookState } from "../src/store/session_state";

const notebook = (cells: Record<string, string>): NotebookState => ({
  order: Object.keys(cells),
  cells: Object.fromEntries(Object.entries(cells).map(([id, source]) => [id, { id, cell_type: "code" as const, source, metadata: {} }])),
  metadata: {},
});
const draft = (base: string, text: string): Draft => ({ cell_id: "a", base, text, at: "2026-01-01T00:00:00Z" });

describe("text differences", () => {
  it("are one replacement that gives the other text", () => {
    for (const [before, after] of [
      ["", "x"],
      ["abc", "abc"],
      ["abc", "ac"],
      ["aaa", "aaaa"],
      ["hello world", "hello brave world"],
      ["x😀y", "x😁y"],
      ["😀😀", "😀"],
    ] as const) {
      const change = diffText(before, after);
      expect(change ? applySplice(before, change) : before).toBe(after);
    }
  });

  it("never cut a surrogate pair", () => {
    // The two faces share their first half.
    const change = diffText("a😀b", "a😁b")!;
    expect(change).toEqual({ index: 1, del: 2, insert: "😁" });
    const tail = diffText("\ud83d\ude00", "\ud83e\ude00")!;
    expect(tail).toEqual({ index: 0, del: 2, insert: "\ud83e\ude00" });
  });
});

describe("drafts", () => {
  it("hold each cell whose text the host does not have", () => {
    expect(differences(notebook({ a: "mine", b: "same", c: "new cell" }), notebook({ a: "theirs", b: "same" }), "t")).toEqual([
      { cell_id: "a", base: "theirs", text: "mine", at: "t" },
      { cell_id: "c", base: "", text: "new cell", at: "t" },
    ]);
  });

  it("apply only their own replacement where the surroundings still stand", () => {
    expect(applyDraft("one two # theirs", draft("one two", "one brave two"))).toBe("one brave two # theirs");
    expect(applyDraft("# theirs\none two", draft("one two", "one two three"))).toBe("# theirs\none two three");
    expect(applyDraft("something else", draft("one two", "one brave two"))).toBe("one brave two");
  });

  it("are kept once, and go when their text has arrived", () => {
    const first = draft("", "a");
    expect(mergeDrafts([first], [draft("", "a"), draft("", "b")])).toHaveLength(2);
    expect(withoutArrived([draft("", "a"), draft("", "b")], notebook({ a: "b" }))).toEqual([first]);
  });
});
