import { describe, expect, it } from "vitest";
import { fromCodePoints, readCompletions, toCodePoints } from "../src/notebook/completion";

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
});
