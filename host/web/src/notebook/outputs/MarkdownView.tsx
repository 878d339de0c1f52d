import { memo, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { say } from "../../i18n";
import { ErrorNote } from "../../ui/ErrorNote";

type Render = (source: string) => string;

let renderer: Promise<Render> | null = null;

/** markdown-it and the sanitizer load with the first markdown that is shown. */
function loadRenderer(): Promise<Render> {
  renderer ??= import("./markdown").then((module) => module.renderMarkdown);
  return renderer;
}

/** Code in fences, in the colours of the editor, whose code has what it takes. */
async function paint(root: HTMLElement): Promise<void> {
  const fences = root.querySelectorAll("pre > code[class*=language-]:not(.language-mermaid)");
  if (fences.length === 0) return;
  const { paintCode } = await import("../CodeEditor");
  await Promise.all([...fences].map(paintCode));
}

/** Each loads with the first formula, the first fence and the first diagram. */
async function enrich(root: HTMLElement): Promise<void> {
  void paint(root).catch((error: unknown) => console.warn("lectern: code in markdown", error));
  if (root.querySelector(".math")) (await import("./math")).typeset(root);
  const diagrams = [...root.querySelectorAll<HTMLElement>("pre > code.language-mermaid")];
  if (diagrams.length === 0) return;
  const { drawDiagram } = await import("./diagram");
  for (const code of diagrams) {
    const source = code.textContent ?? "";
    const holder = code.parentElement!;
    try {
      const { url, width, height } = await drawDiagram(source);
      const image = new Image(width, height);
      image.src = url;
      image.alt = source;
      image.className = "diagram";
      holder.replaceWith(image);
    } catch (error) {
      const note = document.createElement("p");
      note.className = "soft";
      note.textContent = say("output.diagram_failed", { why: error instanceof Error ? error.message.split("\n")[0]! : String(error) });
      holder.after(note);
    }
  }
}

export const MarkdownView = memo(function MarkdownView({ source }: { source: string }) {
  const { t } = useTranslation();
  const [html, setHtml] = useState<string | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let current = true;
    loadRenderer().then(
      (render) => current && setHtml(render(source)),
      (error: unknown) => current && setFailed(String(error)),
    );
    return () => {
      current = false;
    };
  }, [source]);
  useLayoutEffect(() => {
    if (html !== null && holder.current) void enrich(holder.current).catch((error: unknown) => console.warn("lectern: markdown", error));
  }, [html]);
  if (failed) return <ErrorNote error={{ code: "markdown", message: t("output.markdown_failed", { why: failed }) }} />;
  if (html === null) return <div className="markdown markdown-raw">{source}</div>;
  return <div className="markdown" ref={holder} dangerouslySetInnerHTML={{ __html: html }} />;
});
