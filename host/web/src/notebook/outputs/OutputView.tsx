import { memo, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { ErrorNote } from "../../ui/ErrorNote";
import type { Json, MimeBundle, MimeValue, Output } from "../../wire/types";
import { AnsiText } from "./AnsiText";
import { ZoomableImage } from "./ImageOutput";
import { MarkdownView } from "./MarkdownView";
import { SandboxFrame } from "./SandboxFrame";
import { WholeOutput, wholeOutputId } from "./WholeOutput";
import { blobUrl, chooseMime, isBlobRef, textOf, useText } from "./values";

/** One output of a cell. */
export const OutputView = memo(function OutputView({ output }: { output: Output }) {
  switch (output.output_type) {
    case "stream":
      return <StreamOutput name={output.name} text={output.text as MimeValue} />;
    case "error":
      return <ErrorOutput ename={output.ename} evalue={output.evalue} traceback={output.traceback} />;
    case "display_data":
    case "execute_result": {
      const whole = wholeOutputId(output.data);
      return whole === null ? <RichOutput bundle={output.data} /> : <WholeOutput id={whole} />;
    }
    default:
      return null;
  }
});

function StreamOutput({ name, text }: { name: string; text: MimeValue }) {
  const loaded = useText(text);
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed why={loaded.why} />;
  return <AnsiText text={loaded.text} className={`output-text output-stream${name === "stderr" ? " output-stderr" : ""}`} />;
}

function ErrorOutput({ ename, evalue, traceback }: { ename: string; evalue: string; traceback: string[] }) {
  const lines = Array.isArray(traceback) ? traceback : [];
  return <AnsiText text={lines.length > 0 ? lines.join("\n") : `${ename}: ${evalue}`} className="output-text output-error" />;
}

function RichOutput({ bundle }: { bundle: MimeBundle }) {
  const mime = useMemo(() => chooseMime(bundle), [bundle]);
  if (mime === null) return null;
  const value = bundle[mime] as MimeValue;
  if (mime.startsWith("image/") && mime !== "image/svg+xml") return <ImageOutput mime={mime} value={value} alt={bundle["text/plain"]} />;
  return <TextualOutput mime={mime} value={value} />;
}

function ImageOutput({ mime, value, alt }: { mime: string; value: MimeValue; alt: MimeValue | undefined }) {
  const { t } = useTranslation();
  const src = isBlobRef(value) ? blobUrl(value) : `data:${mime};base64,${textOf(value as Json).replace(/\s/g, "")}`;
  const words = alt === undefined || isBlobRef(alt) ? t("output.image") : textOf(alt as Json);
  return <ZoomableImage src={src} alt={words} />;
}

function TextualOutput({ mime, value }: { mime: string; value: MimeValue }) {
  const { t } = useTranslation();
  const loaded = useText(value);
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed why={loaded.why} />;
  if (mime === "text/html" || mime === "image/svg+xml" || mime.endsWith("javascript")) return <SandboxFrame mime={mime} content={loaded.text} title={t("output.frame", { mime })} />;
  // KaTeX typesets formulas, not documents: what is no formula is shown as it is.
  if (mime === "text/latex") return <MarkdownView source={/^\s*(\$|\\begin)/.test(loaded.text) ? loaded.text : `$$${loaded.text}$$`} />;
  if (mime === "text/markdown") return <MarkdownView source={loaded.text} />;
  if (mime === "application/json" || mime.endsWith("+json")) return <JsonOutput text={loaded.text} />;
  return <AnsiText text={loaded.text} className="output-text" />;
}

function JsonOutput({ text }: { text: string }) {
  const pretty = useMemo(() => {
    try {
      // Re-indented without parsing numbers: their text must not change.
      return /^\s*[[{]/.test(text) && !text.includes("\n") && !/\d{16,}/.test(text) ? JSON.stringify(JSON.parse(text), null, 2) : text;
    } catch {
      return text;
    }
  }, [text]);
  return <pre className="output-text">{pretty}</pre>;
}

function Loading() {
  const { t } = useTranslation();
  return <div className="output-loading">{t("output.loading")}</div>;
}

function Failed({ why }: { why: string }) {
  const { t } = useTranslation();
  return <ErrorNote error={{ code: "output", message: why, hint: t("output.run_again") }} />;
}
