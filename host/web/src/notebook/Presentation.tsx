import { useEffect, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { IconButton } from "../ui/Button";
import { CloseIcon, NextIcon, PreviousIcon } from "../ui/icons";
import { isKiosk, type View } from "../ui/route";
import { useOpen, useSession, useUi } from "./context";
import { slidesOf } from "./slides";
import { changeView } from "./views";

const FORWARD = new Set(["ArrowRight", "ArrowDown", "PageDown", " ", "j"]);
const BACK = new Set(["ArrowLeft", "ArrowUp", "PageUp", "k"]);

/** The steps of a presentation: its cells one by one, or its slides. Each begins with one cell, by which it is known. */
export function useSteps(view: View): string[][] {
  // Other views have none, and whoever shows them need not follow what is typed.
  const notebook = useSession((state) => (view === "present" || view === "slides" ? state.notebook : null));
  return useMemo(() => {
    if (!notebook) return [];
    return view === "slides" ? slidesOf(notebook) : notebook.order.map((id) => [id]);
  }, [notebook, view]);
}

export function currentStep(steps: string[][], active: string | null): number {
  return Math.max(0, steps.findIndex((step) => active !== null && step.includes(active)));
}

/** Where the presentation stands and how it goes on; the keys do the same. */
export function PresentationControls({ view }: { view: View }) {
  const { t } = useTranslation();
  const { ui } = useOpen();
  const steps = useSteps(view);
  const at = currentStep(steps, useUi((state) => state.active));
  useEffect(() => {
    const go = (by: number) => {
      const to = steps[at + by]?.[0];
      if (to) ui.show(to, view === "present" ? "center" : "start");
    };
    const onKey = (event: KeyboardEvent) => {
      if ((event.target as Element).closest("input, textarea, select, [contenteditable=true], dialog, [role=menu]") || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape" && !isKiosk()) changeView("edit");
      else if (event.shiftKey) return;
      else if ((event.key === " " || event.key === "Enter") && (event.target as Element).closest("button, a")) return;
      else if (FORWARD.has(event.key)) go(1);
      else if (BACK.has(event.key)) go(-1);
      else if (event.key === "Home") go(-at);
      else if (event.key === "End") go(steps.length - 1 - at);
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
    window.addEventListener("keydown", onKey, true);
    return () => window.removeEventListener("keydown", onKey, true);
  }, [steps, at, view, ui]);
  const step = (by: number) => {
    const to = steps[at + by]?.[0];
    if (to) ui.show(to, view === "present" ? "center" : "start");
  };
  return (
    <div className="presentation" role="toolbar" aria-label={t("view.controls")} data-testid="presentation">
      <IconButton label={t("view.previous")} onClick={() => step(-1)} disabled={at === 0} testId="step-back">
        <PreviousIcon />
      </IconButton>
      <span className="soft" role="status" data-testid="step">
        {t("view.position", { at: at + 1, count: steps.length })}
      </span>
      <IconButton label={t("view.next")} onClick={() => step(1)} disabled={at >= steps.length - 1} testId="step-on">
        <NextIcon />
      </IconButton>
      {!isKiosk() && (
        <IconButton label={t("view.leave")} onClick={() => changeView("edit")} testId="leave-view">
          <CloseIcon />
        </IconButton>
      )}
    </div>
  );
}
