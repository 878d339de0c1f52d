import { describe, expect, it } from "vitest";
import { diffLines } from "../src/history/line_diff";

const told = (before: string, after: string) => diffLines(before, after).map((line) => (line.kind === "skip" ? `…${line.count}` : `${{ same: " ", gone: "-", new: "+" }[line.kind]}${line.text}`));

describe("differences of lines", () => {
  it("keeps what both have", () => {
    expect(told("a\nb\nc", "a\nB\nc")).toEqual([" a", "-b", "+B", " c"]);
    expect(told("a\nb\nc\nd", "b\nx\nd\ne")).toEqual(["-a", " b", "-c", "+x", " d", "+e"]);
    expect(told("a", "a")).toEqual(["…1"]);
  });

  it("an empty source has no lines", () => {
    expect(told("", "a\nb")).toEqual(["+a", "+b"]);
    expect(told("a", "")).toEqual(["-a"]);
    expect(told("", "")).toEqual([]);
  });

  it("folds what is far from any difference", () => {
    const lines = [...Array(30).keys()].map(String);
    const other = lines.map((line) => (line === "15" ? "fifteen" : line));
    expect(told(lines.join("\n"), other.join("\n"))).toEqual(["…13", " 13", " 14", "-15", "+fifteen", " 16", " 17", "…12"]);
  });

  it("makes one text of the other, whatever they are", () => {
    let seed = 5;
    const pick = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
    const text = () => [...Array(pick(12))].map(() => "abc"[pick(3)]).join("\n");
    for (let round = 0; round < 300; round += 1) {
      const [before, after] = [text(), text()];
      const lines = diffLines(before, after);
      const count = (kinds: string[]) => lines.reduce((sum, line) => sum + (line.kind === "skip" ? line.count : kinds.includes(line.kind) ? 1 : 0), 0);
      const size = (one: string) => (one === "" ? 0 : one.split("\n").length);
      expect(count(["same", "gone"])).toBe(size(before));
      expect(count(["same", "new"])).toBe(size(after));
    }
  });

  it("does not think long about texts that are too large for it", () => {
    const lines = (word: string) => [...Array(3000).keys()].map((at) => `${word}${at}`).join("\n");
    expect(diffLines(lines("a"), lines("b")).length).toBe(6000);
  });
});
