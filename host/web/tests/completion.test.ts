import { python } from "@codemirror/lang-python";
import { EditorState } from "@codemirror/state";
import { describe, expect, it } from "vitest";
import { atMember, fromCodePoints, readCompletions, toCodePoints } from "../src/notebook/completion";

describe("completions", () => {
  it("count as Jupyter does", () => {
    const text = "x😀y.";
    expect(toCodePoints(text, 5)).toBe(4);
    expect(fromCodePoints(text, 4)).toBe(5);
  });

  it("are the kernel's matches with their kinds", () => {
    const content = { matches: ["path", "pardir"], cursor_start: 3, cursor_end: 5, metadata: { _jupyter_types_experimental: [{ text: "path", type: "module" }] } };
    expect(readCompletions("os.pa", content)).toMatchObject({ from: 3, to: 5, options: [{ label: "path", detail: "module" }, { label: "pardir" }] });
    expect(readCompletions("x", { matches: [] })).toBeNull();
    expect(readCompletions("x", {})).toBeNull();
  });

  it("come by themselves where members are written, and neither in numbers nor in prose", () => {
    const at = (code: string) => atMember(EditorState.create({ doc: code, extensions: [python()] }), code.length);
    for (const code of ["os.", "os.pa", "x = a1.b.", "f(x).", "rows[0].", "'ab'.", "größe.", "import os.", "f'{os.", "if x:\n  os."]) expect(at(code), code).toBe(true);
    for (const code of ["", "os", "1.", "x = 2.5", "1e5.", "..", " .", "# see os.", "'the end.", '"""\nThe end.', "x = 'a. '"]) expect(at(code), code).toBe(false);
  });
});
