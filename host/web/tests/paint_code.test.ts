// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { paintCode } from "../src/notebook/paint_code";

async function painted(language: string, text: string) {
  const code = document.createElement("code");
  code.className = language;
  code.textContent = text;
  await paintCode(code);
  expect(code.textContent).toBe(text);
  return code;
}

const parts = (code: Element) => [...code.querySelectorAll("span")].map((span) => [span.className, span.textContent]);

describe("code in fences", () => {
  it("has the editor's colours in the languages that are here, by any of their names", async () => {
    expect(parts(await painted("language-python", 'def f():\n    return "x"  # why\n'))).toEqual([
      ["syn-keyword", "def"],
      [expect.stringMatching(/^syn-/), "f"],
      ["syn-keyword", "return"],
      ["syn-string", '"x"'],
      ["syn-comment", "# why"],
    ]);
    for (const name of ["py", "PYTHON3", "js", "ts", "tsx", "json", "html", "css", "md"]) {
      const text = { html: "<b>1</b>", css: "a { color: 1px }", md: "`x`", json: '{"a": 1}' }[name] ?? "x = 1";
      expect(parts(await painted(`language-${name}`, text)).length, name).toBeGreaterThan(name === "html" || name === "md" ? -1 : 0);
    }
  });

  it("is text, whatever it says", async () => {
    const code = await painted("language-html", '<img src=x onerror="alert(1)"><script>alert(2)</script>');
    expect(code.querySelector("img, script")).toBe(null);
    expect([...code.querySelectorAll("*")].every((one) => one.tagName === "SPAN" && one.attributes.length === 1)).toBe(true);
  });

  it("stays as it is in other languages, without one, and when it is long", async () => {
    for (const name of ["language-cobol", "language-constructor", "language-__proto__", "", "python"]) expect((await painted(name, "x = 1")).children.length, name).toBe(0);
    expect((await painted("language-python", "x = 1\n".repeat(10_000))).children.length).toBe(0);
  });
});
