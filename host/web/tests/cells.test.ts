import MarkdownIt from "markdown-it";
import { describe, expect, it } from "vitest";
import { applyEdit } from "../src/document/edits";
import { findAll, replaceEdits } from "../src/notebook/find";
import { signatureOf } from "../src/notebook/inspect";
import { mathRules } from "../src/notebook/outputs/math_rules";
import { taskRules } from "../src/notebook/outputs/task_rules";
import { movesTo, range, runnable } from "../src/notebook/selection";
import { outlineOf, slidesOf } from "../src/notebook/slides";
import { applyCellOp } from "../src/store/outputs";
import type { Cell, NotebookState } from "../src/store/session_state";

const cell = (id: string, source: string, cell_type: Cell["cell_type"] = "code", metadata: Cell["metadata"] = {}): Cell => ({ id, source, cell_type, metadata });
const notebook = (...cells: Cell[]): NotebookState => ({ order: cells.map(({ id }) => id), cells: Object.fromEntries(cells.map((one) => [one.id, one])), metadata: {} });
const after = (state: NotebookState, edits: Parameters<typeof applyEdit>[1][]) => edits.reduce(applyEdit, state);

describe("several cells", () => {
  const order = ["a", "b", "c", "d", "e"];
  const moved = (ids: string[], behind: string | null) => after(notebook(...order.map((id) => cell(id, id))), movesTo(order, ids, behind)).order.join("");

  it("move as one block to anywhere else", () => {
    expect(moved(["b", "c"], null)).toBe("bcade");
    expect(moved(["a", "b"], "e")).toBe("cdeab");
    expect(moved(["b", "d"], "c")).toBe("acbde");
    expect(movesTo(order, ["b", "c"], "a")).toEqual([]);
    expect(movesTo(order, ["b", "c"], "b")).toEqual([]);
    expect(movesTo(order, ["b"], "gone")).toEqual([]);
    expect(movesTo(order, [], "a")).toEqual([]);
  });

  it("are selected in both directions", () => {
    expect(range(order, "b", "d")).toEqual(["b", "c", "d"]);
    expect(range(order, "d", "b")).toEqual(["b", "c", "d"]);
  });

  it("run above and below the first selected one", () => {
    expect(runnable(order, ["c", "d"], "above")).toEqual(["a", "b"]);
    expect(runnable(order, ["c", "d"], "below")).toEqual(["c", "d", "e"]);
    expect(runnable(order, ["c"], "all")).toEqual(order);
    expect(runnable(order, [], "above")).toEqual(order);
  });
});

describe("find and replace", () => {
  const state = notebook(cell("a", "x = 1; X = x"), cell("b", "nothing"), cell("c", "f(x) 🎉 x"));

  it("finds literally, with and without case", () => {
    expect(findAll(state, { query: "x", matchCase: true }).map(({ cellId, index }) => [cellId, index])).toEqual([["a", 0], ["a", 11], ["c", 2], ["c", 8]]);
    expect(findAll(state, { query: "x", matchCase: false })).toHaveLength(5);
    expect(findAll(state, { query: "f(x)", matchCase: true })).toHaveLength(1);
    expect(findAll(state, { query: "", matchCase: true })).toEqual([]);
  });

  it("replaces every match where it stood, whatever the lengths", () => {
    const found = findAll(state, { query: "x", matchCase: true });
    const next = after(state, replaceEdits(found, "longer"));
    expect(next.cells.a!.source).toBe("longer = 1; X = longer");
    expect(next.cells.c!.source).toBe("f(longer) 🎉 longer");
  });
});

describe("slides and outline", () => {
  it("begin at first and second headings when nothing else is said", () => {
    const state = notebook(cell("a", "intro"), cell("b", "# One", "markdown"), cell("c", "x"), cell("d", "## Two", "markdown"), cell("e", "### Three", "markdown"));
    expect(slidesOf(state)).toEqual([["a"], ["b", "c"], ["d", "e"]]);
  });

  it("go by the notebook's own metadata when it has any", () => {
    const slide = (slide_type: string) => ({ slideshow: { slide_type } });
    const state = notebook(cell("a", "# One", "markdown", slide("slide")), cell("b", "# Not a slide", "markdown"), cell("n", "", "markdown", slide("notes")), cell("c", "x", "code", slide("subslide")), cell("s", "", "code", slide("skip")));
    expect(slidesOf(state)).toEqual([["a", "b"], ["c"]]);
  });

  it("lists headings of markdown cells, not comments or fenced text", () => {
    const state = notebook(cell("a", "# A *nice* [title](x)\n\n```\n# no\n```\n### Deep ###", "markdown"), cell("b", "# comment"));
    expect(outlineOf(state)).toEqual([
      { cellId: "a", level: 1, text: "A nice title" },
      { cellId: "a", level: 3, text: "Deep" },
    ]);
  });
});

describe("tasks in markdown", () => {
  it("are signs at the head of a list's items, and nowhere else", () => {
    const parser = new MarkdownIt().use(taskRules);
    const shown = parser.render("- [ ] one **two**\n- [x] three\n- [y] four\n\n[ ] five").replace(/\s*\n\s*/g, "");
    expect(shown).toBe('<ul><li class="task">☐ one <strong>two</strong></li><li class="task">☑ three</li><li>[y] four</li></ul><p>[ ] five</p>');
  });
});

describe("formulas in markdown", () => {
  const html = (source: string) => new MarkdownIt({ html: true }).use(mathRules).render(source).trim();

  it("stand between dollars, in lines of their own, or in environments", () => {
    expect(html("so $a_b * c_d$ is")).toBe('<p>so <span class="math">a_b * c_d</span> is</p>');
    expect(html("$$\nx < y\n$$")).toContain('<span class="math math-block">\nx &lt; y\n</span>');
    expect(html("\\begin{align}\na &= b\n\\end{align}")).toContain('class="math math-block"');
    expect(html("text $$a$$ text")).toContain('<span class="math math-block">a</span>');
  });

  it("are not money, code or escaped dollars", () => {
    expect(html("it costs $5 and $6")).toBe("<p>it costs $5 and $6</p>");
    expect(html("`$x$`")).toBe("<p><code>$x$</code></p>");
    expect(html("\\$x$")).toBe("<p>$x$</p>");
    expect(html("$<b>$")).not.toContain("<b>");
  });
});

describe("what the kernel knows", () => {
  it("is cut to the signature and the first paragraph", () => {
    expect(signatureOf("Signature: area(width, height=2)\nDocstring:\nWidth times height.\n\nMore.\nFile:      x.py\nType:      function")).toBe("area(width, height=2)\n\nWidth times height.");
    expect(signatureOf("Init signature: int(self)\nDocstring:     int([x]) -> integer\nType:  type")).toBe("int(self)\n\nint([x]) -> integer");
    expect(signatureOf("something else")).toBe("something else");
  });
});

describe("times of runs", () => {
  it("are measured where this browser saw both ends", () => {
    const queued = applyCellOp(undefined, { cell_id: "a", status: "queued" }, 1000);
    const running = applyCellOp(queued, { cell_id: "a", status: "running" }, 2000);
    expect(running.startedAt).toBe(2000);
    const done = applyCellOp(running, { cell_id: "a", status: "idle" }, 3500);
    expect([done.startedAt, done.tookMs]).toEqual([undefined, 1500]);
    expect(applyCellOp(done, { cell_id: "a", status: "queued" }, 4000).tookMs).toBeUndefined();
    const replayed = applyCellOp(applyCellOp(undefined, { cell_id: "a", status: "running" }), { cell_id: "a", status: "idle" });
    expect(replayed.tookMs).toBeUndefined();
  });
});
