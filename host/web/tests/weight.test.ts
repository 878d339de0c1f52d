import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";

const DIST = join(__dirname, "../dist");
const LIMIT = 350_000;

/** What one file of the build imports at once, and what only on demand. */
function imports(name: string): { now: string[]; later: string[] } {
  const code = readFileSync(join(DIST, "assets", name), "utf8");
  const files = (pattern: RegExp) => [...code.matchAll(pattern)].map((match) => match[1]!.split("/").pop()!);
  return { now: files(/(?:from|import)\s*"(\.\/[^"]+\.js)"/g), later: files(/import\(\s*"(\.\/[^"]+\.js)"\s*\)/g) };
}

/** The files that are there before the first cell: the page's own, what they import, and the editor that the notebook asks for at once. */
function firstLoad(): string[] {
  const html = readFileSync(join(DIST, "index.html"), "utf8");
  const seen = new Set<string>();
  const queue = [...html.matchAll(/(?:src|href)="\/assets\/([^"]+)"/g)].map((match) => match[1]!);
  const entry = queue.filter((name) => name.endsWith(".js"));
  queue.push(...entry.flatMap((name) => imports(name).later.filter((one) => one.startsWith("CodeEditor"))));
  while (queue.length > 0) {
    const name = queue.pop()!;
    if (seen.has(name)) continue;
    seen.add(name);
    if (name.endsWith(".js")) queue.push(...imports(name).now);
  }
  return [...seen];
}

describe.runIf(existsSync(join(DIST, "index.html")))("the build", () => {
  it("is less than 350 kB, compressed, until the first cell can be typed in", () => {
    const files = firstLoad();
    expect(files.some((name) => name.startsWith("CodeEditor"))).toBe(true);
    const bytes = files.map((name) => gzipSync(readFileSync(join(DIST, "assets", name)), { level: 9 }).length);
    expect(bytes.reduce((sum, one) => sum + one, 0)).toBeLessThan(LIMIT);
  });

  it("keeps the document engine, formulas, diagrams, markdown, settings, the list of files and other languages out of it", () => {
    const all = readdirSync(join(DIST, "assets")).filter((name) => name.endsWith(".js"));
    const first = new Set(firstLoad());
    for (const lazy of ["automerge", "math", "diagram", "markdown", "zh", "zh-hant", "ja", "SettingsDialog", "FilesPage", "WidgetOutputs"]) {
      const found = all.filter((name) => new RegExp(`^${lazy}-[\\w-]{8}\\.js$`).test(name));
      expect(found.length, lazy).toBeGreaterThan(0);
      for (const name of found) expect(first.has(name), name).toBe(false);
    }
  });

  it("has the widgets' frame in less than 600 kB, compressed", () => {
    expect(gzipSync(readFileSync(join(DIST, "widget-frame.js")), { level: 9 }).length).toBeLessThan(600_000);
  });

  it("names nobody else's address to fetch from", () => {
    const html = readFileSync(join(DIST, "index.html"), "utf8");
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    for (const name of readdirSync(join(DIST, "assets")).filter((one) => one.endsWith(".css"))) {
      expect(readFileSync(join(DIST, "assets", name), "utf8"), name).not.toMatch(/url\(["']?(?:https?:)?\/\//);
    }
  });
});
