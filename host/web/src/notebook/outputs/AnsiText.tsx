import { memo, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { parseAnsi } from "./ansi";

/** Longer texts show their end first: a browser lays out a few hundred kilobytes well, many megabytes not at all. */
const SHOWN = 200_000;

/** Exact colours are made for a terminal's black; a share of the text's own colour keeps them legible on either scheme. */
const readable = (color: string) => `color-mix(in srgb, ${color} 68%, var(--text))`;

export const AnsiText = memo(function AnsiText({ text, className }: { text: string; className: string }) {
  const { t } = useTranslation();
  const [all, setAll] = useState(false);
  const cut = !all && text.length > SHOWN;
  const shown = cut ? text.slice(-SHOWN) : text;
  const spans = useMemo(() => parseAnsi(shown), [shown]);
  return (
    <>
      {cut && (
        <button type="button" className="link-button" onClick={() => setAll(true)}>
          {t("output.show_all", { kb: Math.round(text.length / 1000), shown: SHOWN / 1000 })}
        </button>
      )}
      <pre className={className}>
        {spans.map((span, at) =>
          span.className || span.color || span.background ? (
            <span key={at} className={span.className} style={{ color: span.color && readable(span.color), backgroundColor: span.background }}>
              {span.text}
            </span>
          ) : (
            span.text
          ),
        )}
      </pre>
    </>
  );
});
