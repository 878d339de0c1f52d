import { useTranslation } from "react-i18next";
import type { Key } from "../i18n";
import type { KernelState, SaveState as SaveStateData } from "../wire/types";
import { Menu } from "../ui/Menu";
import { isKiosk } from "../ui/route";
import { useOpen, useSession } from "./context";

const KERNEL: Record<KernelState, Key> = {
  none: "kernel.none",
  starting: "kernel.starting",
  idle: "kernel.idle",
  busy: "kernel.busy",
  restarting: "kernel.restarting",
  dead: "kernel.dead",
  unreachable: "kernel.unreachable",
};

/** The kernel's state; for who has the pen, also what can be done with it. */
export function KernelStatus() {
  const { t } = useTranslation();
  const { ui, actions } = useOpen();
  const kernel = useSession((state) => state.kernel);
  const canEdit = useSession((state) => state.capabilities.edit && state.phase === "open");
  if (!canEdit || isKiosk()) return <KernelPill />;
  const none = kernel.state === "none";
  return (
    <Menu
      label={`${t("kernel.label")}: ${[KERNEL[kernel.state] ? t(KERNEL[kernel.state]) : kernel.state, kernel.display_name || kernel.runtime].filter(Boolean).join(", ")}`}
      testId="kernel-menu"
      items={[
        { label: t("toolbar.interrupt"), keys: "i i", onSelect: () => void actions.interrupt(), disabled: kernel.state !== "busy" },
        { label: t("toolbar.restart"), keys: "0 0", onSelect: () => ui.askRestart("only"), disabled: none, testId: "kernel-restart" },
        { label: t("kernel.restart_all"), onSelect: () => ui.askRestart("all"), testId: "kernel-restart-all" },
        { label: t("kernel.shut_down"), onSelect: () => void actions.shutDown(), disabled: none || kernel.state === "dead", testId: "kernel-shut-down" },
      ]}
    >
      <KernelPill />
    </Menu>
  );
}

function KernelPill() {
  const { t } = useTranslation();
  const kernel = useSession((state) => state.kernel);
  const title = [kernel.runtime, kernel.environment].filter(Boolean).join("\n");
  return (
    <span className={`pill kernel-${kernel.state}`} data-testid="kernel-state" data-state={kernel.state} title={title}>
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
