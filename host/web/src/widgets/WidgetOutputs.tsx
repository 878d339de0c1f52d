import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { say } from "../i18n";
import { useOpen, useSession } from "../notebook/context";
import { useNearViewport } from "../notebook/near_viewport";
import { themeNow } from "../notebook/outputs/theme";
import type { Session } from "../session/session";
import type { Output } from "../wire/types";
import type { Look } from "./frame_messages";
import { WidgetHub, type FrameLink } from "./hub";
import { savedCode, savedModel } from "./saved";
import { approvedHere, approveHere, mayRun } from "./saved_approval";

const FRAME_URL = "/widget-frame.html";
const MAX_HEIGHT = 20_000;
export const WIDGET_MIME = "application/vnd.jupyter.widget-view+json";

const hubs = new WeakMap<Session, WidgetHub>();

function hubOf(session: Session): WidgetHub {
  const known = hubs.get(session) ?? new WidgetHub(session);
  hubs.set(session, known);
  return known;
}

function widgetIds(outputs: Output[]): string[] {
  return outputs.flatMap((output) => {
    if (output.output_type !== "display_data" && output.output_type !== "execute_result") return [];
    const view = output.data[WIDGET_MIME] as { model_id?: unknown } | undefined;
    return typeof view?.model_id === "string" ? [view.model_id] : [];
  });
}

type Found = "live" | "saved" | "code" | "none";

/** Where the widgets of these outputs come from. A saved one with code of its own waits for a person's word. */
function useFound(outputs: Output[]): Found {
  const { session } = useOpen();
  const ids = useMemo(() => widgetIds(outputs), [outputs]);
  const metadata = useSession((state) => state.notebook?.metadata);
  const untrusted = useSession((state) => state.untrusted !== null);
  const approval = useSyncExternalStore(approvedHere.subscribe, approvedHere.get);
  const live = useSyncExternalStore(
    (listener) => session.models.subscribe((change) => change.kind !== "update" && listener()),
    () => ids.some((id) => session.models.get(id) !== undefined),
  );
  return useMemo(() => {
    if (live) return "live";
    if (!ids.some((id) => savedModel(metadata, id) !== null)) return "none";
    return mayRun(savedCode(metadata), untrusted, approval) ? "saved" : "code";
  }, [live, ids, metadata, untrusted, approval]);
}

/** The outputs of a cell from its first widget to its last, in one frame. */
export function WidgetOutputs({ outputs }: { outputs: Output[] }) {
  const found = useFound(outputs);
  if (found === "none") return <Fallback outputs={outputs} />;
  if (found === "code") return <Approve />;
  return <WidgetFrame outputs={outputs} />;
}

function WidgetFrame({ outputs }: { outputs: Output[] }) {
  const { t, i18n } = useTranslation();
  const { session } = useOpen();
  const interact = useSession((state) => state.capabilities.interact);
  const holder = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLIFrameElement>(null);
  const link = useRef<FrameLink | null>(null);
  const near = useNearViewport(holder);
  const [shown, setShown] = useState(false);
  const [height, setHeight] = useState(0);

  useEffect(() => {
    if (near) setShown(true);
  }, [near]);

  useEffect(() => {
    const target = frame.current?.contentWindow;
    if (!shown || !target) return;
    link.current = hubOf(session).connect(target, (tall) => setHeight(Math.min(Math.max(0, Math.ceil(tall)), MAX_HEIGHT)), lookNow(interact));
    return () => {
      link.current?.end();
      link.current = null;
    };
    // A new look is told to the frame that is there.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [shown, session]);

  useEffect(() => link.current?.show(outputs), [outputs, shown, session]);

  useEffect(() => {
    const tell = () => link.current?.dress(lookNow(interact));
    tell();
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", tell);
    return () => dark.removeEventListener("change", tell);
  }, [interact, i18n.language, shown]);

  return (
    <div ref={holder} className="output-frame" style={{ minHeight: height || 24 }}>
      {shown && <iframe ref={frame} title={t("output.widgets")} src={FRAME_URL} sandbox="allow-scripts" referrerPolicy="no-referrer" loading="eager" style={{ height: height || 24 }} data-testid="widget-frame" />}
    </div>
  );
}

function lookNow(interact: boolean): Look {
  return { theme: themeNow(), dark: window.matchMedia("(prefers-color-scheme: dark)").matches, interact };
}

function Fallback({ outputs }: { outputs: Output[] }) {
  const { t } = useTranslation();
  return (
    <>
      {outputs.map((output, at) => {
        const bundle = output.output_type === "display_data" || output.output_type === "execute_result" ? output.data : {};
        if (bundle[WIDGET_MIME] === undefined) return null;
        const words = bundle["text/plain"];
        return (
          <div key={at} className="output-widget" data-testid="widget-fallback">
            <strong>{t("output.widget")}</strong> <span className="soft">{t("output.widget_gone")}</span>
            <code>{typeof words === "string" ? words : Array.isArray(words) ? words.join("") : ""}</code>
          </div>
        );
      })}
    </>
  );
}

function Approve() {
  const { t } = useTranslation();
  const untrusted = useSession((state) => state.untrusted !== null);
  const metadata = useSession((state) => state.notebook?.metadata);
  return (
    <div className="output-widget" data-testid="widget-approve">
      <strong>{t("output.widget")}</strong> <span className="soft">{t(untrusted ? "output.widget_untrusted" : "output.widget_code")}</span>
      {!untrusted && (
        <button type="button" className="button" onClick={() => approveHere(savedCode(metadata).join("\0"))}>
          {say("output.widget_run")}
        </button>
      )}
    </div>
  );
}
