import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { chooseLanguage, i18n, LANGUAGES, say } from "../src/i18n";

const ROOT = join(__dirname, "../src");
const walk = (folder: string): string[] =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? walk(path) : [path];
  });
const files = walk(ROOT);
const code = files.filter((path) => /\.tsx?$/.test(path) && !path.includes("/locales/")).map((path) => readFileSync(path, "utf8"));
const catalogue = (language: string) => JSON.parse(readFileSync(join(ROOT, `i18n/locales/${language}.json`), "utf8")) as Record<string, string>;

const PLURAL = /_(zero|one|two|few|many|other)$/;
const stem = (key: string) => key.replace(PLURAL, "");
const english = catalogue("en");
const used = new Set(code.flatMap((text) => [...text.matchAll(/"([a-z]+\.[a-z0-9_]+)"/g)].map((match) => match[1]!)));
/** What a text is filled with: `{{name}}` and the tags around words. */
const holes = (text: string) => [...text.matchAll(/\{\{\w+\}\}|<\/?\d+>/g)].map((match) => match[0]).sort();

describe("the words of the page", () => {
  it("exist for every key the code names", () => {
    const known = new Set(Object.keys(english).map(stem));
    const sections = new Set([...known].map((key) => key.split(".")[0]!));
    const wanted = [...used].filter((key) => sections.has(key.split(".")[0]!));
    expect(wanted.filter((key) => !known.has(key) && !/\.(tsx?|json|css|html|svg)$/.test(key))).toEqual([]);
    expect(wanted.length).toBeGreaterThan(100);
  });

  it("are all used", () => {
    expect(Object.keys(english).filter((key) => !used.has(stem(key)))).toEqual([]);
  });

  for (const language of Object.keys(LANGUAGES)) {
    it(`are complete in ${language}, with the same holes to fill`, () => {
      const words = catalogue(language);
      const forms = new Intl.PluralRules(language === "zh-hant" ? "zh-Hant" : language).resolvedOptions().pluralCategories;
      const wanted = Object.keys(english)
        .filter((key) => !key.endsWith("_one"))
        .flatMap((key) => (key.endsWith("_other") ? forms.map((form) => `${stem(key)}_${form}`) : [key]));
      expect(Object.keys(words).sort()).toEqual([...new Set(wanted)].sort());
      for (const [key, text] of Object.entries(words)) {
        expect(text.trim(), key).not.toBe("");
        const model = english[key] ?? english[`${stem(key)}_other`]!;
        expect(holes(text), key).toEqual(holes(model));
      }
    });
  }

  it("are translated, not copied", () => {
    for (const language of Object.keys(LANGUAGES).filter((name) => name !== "en")) {
      const words = catalogue(language);
      const same = Object.keys(words).filter((key) => words[key] === english[key] && /[a-z]{4}/i.test(words[key]!));
      expect(same.filter((key) => key !== "cell.markdown"), language).toEqual([]);
    }
  });

  it("are nowhere in the components themselves", () => {
    const found = files
      .filter((path) => path.endsWith(".tsx"))
      .flatMap((path) => [...readFileSync(path, "utf8").matchAll(/(?:aria-label|title|placeholder|label|alt)="([A-Za-z][^"]*)"|>\s*([A-Z][a-z]+(?: [a-z]+)+[.…]?)\s*</g)].map((match) => `${path}: ${match[1] ?? match[2]}`));
    expect(found).toEqual([]);
  });
});

describe("the language", () => {
  it("is the first wanted one that is there, Chinese by its script", () => {
    expect(chooseLanguage(["fr-FR", "ja-JP", "en"])).toBe("ja");
    expect(chooseLanguage(["zh-TW"])).toBe("zh-hant");
    expect(chooseLanguage(["zh-Hant-HK"])).toBe("zh-hant");
    expect(chooseLanguage(["zh-CN", "en"])).toBe("zh");
    expect(chooseLanguage(["de"])).toBe("en");
    expect(chooseLanguage([])).toBe("en");
  });

  it("changes the words, their plurals and nothing in what is put into them", async () => {
    expect(say("people.count", { count: 1 })).toBe("1 here");
    expect(say("people.count", { count: 3 })).toBe("3 here");
    i18n.addResourceBundle("zh-hant", "translation", catalogue("zh-hant"));
    await i18n.changeLanguage("zh-hant");
    expect(say("pen.take_over")).toBe("接手編輯");
    expect(say("pen.kept", { name: "<b>{{x}}</b>" })).toBe("<b>{{x}}</b> 保留了編輯權。");
    await i18n.changeLanguage("en");
  });
});

describe("style sheets", () => {
  it("name no left and right, so that a page that runs the other way is right too", () => {
    const physical = /(?<![-\w])(?:left|right|(?:margin|padding|border)-(?:left|right)|float)\s*:|text-align:\s*(?:left|right)/;
    for (const path of files.filter((name) => name.endsWith(".css"))) {
      const lines = readFileSync(path, "utf8").split("\n");
      expect(lines.filter((line) => physical.test(line)), path).toEqual([]);
      const uneven = lines.flatMap((line) => [...line.matchAll(/(?<![-\w])(?:padding|margin):\s*([^\s;]+) ([^\s;]+) ([^\s;]+) ([^\s;]+);/g)]).filter((match) => match[2] !== match[4]);
      expect(uneven.map((match) => match[0]), path).toEqual([]);
    }
  });
});
