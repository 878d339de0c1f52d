import { memo, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { i18n, locale, template, type Key } from "../../i18n";
import { useNearViewport } from "../near_viewport";
import { themeNow } from "./theme";

const MAX_HEIGHT = 20_000;
/** A page's cap for one output; taller ones scroll inside. */
const FRAME_URL = "/output-frame.html";

interface FrameMessage {
  lectern?: "ready" | "height";
  height?: number;
}

/** The words of the table controls, with their holes: the frame has no catalogue of its own. */
function wordsNow(): Record<string, string> {
  const keys = { next: "output.page_next", previous: "output.page_previous", rows: "output.rows", sort: "output.sort" } satisfies Record<string, Key>;
  return Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, template(key)]));
}

/**
 * HTML, SVG and scripts from a kernel. They run in a sandboxed frame without `allow-same-origin`: an opaque origin that has no cookie, cannot
 * call the host and gets its content as a message from this page. The frame's own headers (served by the host) allow inline scripts and nothing else.
 */
export const SandboxFrame = memo(function SandboxFrame({ mime, content, title }: { mime: string; content: string; title: string }) {
  useTranslation();
  const language = i18n.language;
  const holder = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLIFrameElement>(null);
  const near = useNearViewport(holder);
  const [shown, setShown] = useState(false);
  const [height, setHeight] = useState(0);

  useEffect(() => {
    if (near) setShown(true);
  }, [near]);

  useEffect(() => {
    if (!shown) return;
    const send = () => frame.current?.contentWindow?.postMessage({ lectern: "render", mime, content, theme: themeNow(), words: wordsNow(), locale: locale() }, "*");
    const onMessage = (event: MessageEvent<FrameMessage>) => {
      // The frame's origin is opaque ("null"), so its window is what identifies it.
      if (!frame.current || event.source !== frame.current.contentWindow || typeof event.data !== "object" || event.data === null) return;
      if (event.data.lectern === "ready") send();
      if (event.data.lectern === "height" && Number.isFinite(event.data.height)) setHeight(Math.min(Math.max(0, Math.ceil(event.data.height!)), MAX_HEIGHT));
    };
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    window.addEventListener("message", onMessage);
    dark.addEventListener("change", send);
    return () => {
      window.removeEventListener("message", onMessage);
      dark.removeEventListener("change", send);
    };
  }, [shown, mime, content, language]);

  return (
    <div ref={holder} className="output-frame" style={{ minHeight: height || 24 }}>
      {shown && (
        <iframe key={content} ref={frame} title={title} src={FRAME_URL} sandbox="allow-scripts" referrerPolicy="no-referrer" loading="eager" style={{ height: height || 24 }} data-testid="output-frame" />
      )}
    </div>
  );
});
