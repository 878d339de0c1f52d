import { memo, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { ErrorNote } from "../../ui/ErrorNote";

type Render = (source: string) => string;

let renderer: Promise<Render> | null = null;

/** markdown-it and the sanitizer load with the first markdown that is shown. */
function loadRenderer(): Promise<Render> {
  renderer ??= import("./markdown").then((module) => module.renderMarkdown);
  return renderer;
}

export const MarkdownView = memo(function MarkdownView({ source }: { source: string }) {
  const { t } = useTranslation();
  const [html, setHtml] = useState<string | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
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
  if (failed) return <ErrorNote error={{ code: "markdown", message: t("output.markdown_failed", { why: failed }) }} />;
  if (html === null) return <div className="markdown markdown-raw">{source}</div>;
  return <div className="markdown" dangerouslySetInnerHTML={{ __html: html }} />;
});
