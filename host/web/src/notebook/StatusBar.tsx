import { useTranslation } from "react-i18next";
import type { Key } from "../i18n";
import type { KernelState, SaveState as SaveStateData } from "../wire/types";
import { useSession } from "./context";

const KERNEL: Record<KernelState, Key> = {
  none: "kernel.none",
  starting: "kernel.starting",
  idle: "kernel.idle",
  busy: "kernel.busy",
  restarting: "kernel.restarting",
  dead: "kernel.dead",
  unreachable: "kernel.unreachable",
};

export function KernelPill() {
  const { t } = useTranslation();
  const kernel = useSession((state) => state.kernel);
  return (
    <span className={`pill kernel-${kernel.state}`} data-testid="kernel-state" data-state={kernel.state} title={kernel.runtime}>
      <span className="dot" aria-hidden="true" />
      <span className="pill-words">{KERNEL[kernel.state] ? t(KERNEL[kernel.state]) : kernel.state}</span>
    </span>
  );
}

const SAVE: Record<SaveStateData["state"], Key> = { saved: "save.saved", saving: "save.saving", dirty: "save.dirty", failed: "save.failed" };

export function SaveState() {
  const { t } = useTranslation();
  const save = useSession((state) => state.save);
  const unsent = useSession((state) => state.unsent);
  const words = unsent ? t("save.sending") : save && SAVE[save.state] ? t(SAVE[save.state]) : "";
  return (
    <span className={`save-state save-${unsent ? "sending" : (save?.state ?? "none")}`} data-testid="save-state" data-state={save?.state ?? ""} data-unsent={unsent}>
      {words}
    </span>
  );
}
