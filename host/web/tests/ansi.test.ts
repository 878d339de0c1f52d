import { describe, expect, it } from "vitest";
import { parseAnsi, stripAnsi } from "../src/notebook/outputs/ansi";

describe("ANSI text", () => {
  it("gives named colours and attributes as classes", () => {
    expect(parseAnsi("a\x1b[1;31mb\x1b[0mc")).toEqual([
      { text: "a", className: "" },
      { text: "b", className: "ansi-1-fg ansi-bold" },
      { text: "c", className: "" },
    ]);
    expect(parseAnsi("\x1b[94;43mx\x1b[39;49my")[0]).toEqual({ text: "x", className: "ansi-12-fg ansi-3-bg" });
  });

  it("gives 256 and true colours as styles", () => {
    expect(parseAnsi("\x1b[38;5;196mx")[0]).toMatchObject({ color: "rgb(255,0,0)" });
    expect(parseAnsi("\x1b[48;5;244mx")[0]).toMatchObject({ background: "rgb(128,128,128)" });
    expect(parseAnsi("\x1b[38;2;1;2;300mx")[0]).toMatchObject({ color: "rgb(1,2,255)" });
    expect(parseAnsi("\x1b[38;5;3mx")[0]).toMatchObject({ className: "ansi-3-fg" });
  });

  it("swaps colours for inverse text", () => {
    expect(parseAnsi("\x1b[7mx\x1b[27my").map((span) => span.className)).toEqual(["inverse-fg inverse-bg", ""]);
  });

  it("drops every other escape and never loses text", () => {
    expect(parseAnsi("a\x1b[2Kb\x1b]8;;http://x\x07link\x1b]8;;\x07c").map((span) => span.text).join("")).toBe("ablinkc");
    expect(stripAnsi("\x1b[31mred\x1b[m plain")).toBe("red plain");
    expect(parseAnsi("<b>&amp;</b>")[0]!.text).toBe("<b>&amp;</b>");
    expect(parseAnsi("\x1b[38;5mx\x1b[999my").map((span) => span.text).join("")).toBe("xy");
  });
});
