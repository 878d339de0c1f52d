import { useCallback, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useHost } from "../files/host_state";
import { Button } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { api, toWireError } from "../wire/http";
import type { PluginRow } from "../wire/host_types";
import type { WireError } from "../wire/types";
import { Devices } from "./Devices";
import { PluginList } from "./PluginList";
import { PolicySettings } from "./PolicySettings";
import "./settings.css";

/** The host's plugins as they are, and the policy: of `session` where one is looked at, else of the host. */
export function SettingsDialog({ session, admin, onClose }: { session?: string; admin: boolean; onClose(): void }) {
  const { t } = useTranslation();
  const dialog = useRef<HTMLDialogElement>(null);
  const { pluginsChanged } = useHost();
  const [plugins, setPlugins] = useState<PluginRow[] | null>(null);
  const [error, setError] = useState<WireError | null>(null);
  const asked = useRef(0);
  useEffect(() => dialog.current?.showModal(), []);
  const refresh = useCallback(() => {
    const mine = ++asked.current;
    api.plugins().then(
      (rows) => {
        if (mine !== asked.current) return;
        setPlugins(rows);
        setError(null);
      },
      (reason: unknown) => mine === asked.current && setError(toWireError(reason)),
    );
  }, []);
  useEffect(() => {
    refresh();
    return () => {
      asked.current += 1;
    };
  }, [refresh, pluginsChanged]);
  return (
    <dialog ref={dialog} className="dialog settings" aria-label={t("settings.title")} onClose={onClose} data-testid="settings">
      <div className="settings-head">
        <h2>{t("settings.title")}</h2>
        <Button onClick={() => dialog.current?.close()}>{t("app.close")}</Button>
      </div>
      {!admin && <p className="soft">{t("settings.look_only")}</p>}
      {error && <ErrorNote error={error} />}
      {plugins && <PolicySettings session={session} admin={admin} plugins={plugins} changed={pluginsChanged} />}
      {plugins && admin && <Devices />}
      {plugins && <PluginList plugins={plugins} admin={admin} onReloaded={refresh} />}
    </dialog>
  );
}
