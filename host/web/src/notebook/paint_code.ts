import { pythonLanguage } from "@codemirror/lang-python";
import type { Language } from "@codemirror/language";
import { highlightCode, tagHighlighter } from "@lezer/highlight";
import { COLOURS } from "./syntax";

/** Longer code is shown as it is: reading it would hold up the page. */
const LONGEST = 50_000;

const painter = tagHighlighter(COLOURS.flatMap(({ name, tags }) => tags.map((tag) => ({ tag, class: `syn-${name}` }))));

const javascript = () => import("@codemirror/lang-javascript");

/** By what fences and kernels call them; each is fetched with the first code of its kind. */
const LANGUAGES = new Map<string, () => Promise<Language> | Language>([
  ["python", () => pythonLanguage],
  ["javascript", async () => (await javascript()).javascriptLanguage],
  ["jsx", async () => (await javascript()).jsxLanguage],
  ["typescript", async () => (await javascript()).typescriptLanguage],
  ["tsx", async () => (await javascript()).tsxLanguage],
  ["css", async () => (await import("@codemirror/lang-css")).cssLanguage],
  ["html", async () => (await import("@codemirror/lang-html")).htmlLanguage],
  ["markdown", async () => (await import("@codemirror/lang-markdown")).markdownLanguage],
]);

const ALIASES = new Map(Object.entries({ py: "python", python3: "python", ipython: "python", ipython3: "python", js: "javascript", mjs: "javascript", json: "javascript", ts: "typescript", xml: "html", svg: "html", md: "markdown" }));

function languageOf(code: Element): (() => Promise<Language> | Language) | undefined {
  const named = [...code.classList].find((name) => name.startsWith("language-"));
  const name = named?.slice("language-".length).toLowerCase() ?? "";
  return LANGUAGES.get(ALIASES.get(name) ?? name);
}

/** Colours `<code class="language-…">` where the language is known. Its text stays the very same, and becomes text nodes only. */
export async function paintCode(code: Element): Promise<void> {
  const fetch = languageOf(code);
  const text = code.textContent ?? "";
  if (!fetch || text.length > LONGEST) return;
  const language = await fetch();
  const painted = document.createDocumentFragment();
  const put = (part: string, classes: string) => {
    if (classes === "") return painted.append(part);
    const span = document.createElement("span");
    span.className = classes;
    span.textContent = part;
    painted.append(span);
  };
  highlightCode(text, language.parser.parse(text), painter, put, () => painted.append("\n"));
  if (code.textContent === text) code.replaceChildren(painted);
}
