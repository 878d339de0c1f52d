import { useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { locale, type Key } from "../i18n";
import { Button } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { api, toWireError } from "../wire/http";
import type { Generation, PluginKind, PluginRow } from "../wire/host_types";
import type { WireError } from "../wire/types";

const KINDS: Record<PluginKind, Key> = {
  policy: "settings.kind_policy",
  format: "settings.kind_format",
  runtime: "settings.kind_runtime",
  transport: "settings.kind_transport",
  presence: "settings.kind_presence",
};
const STATES: Record<string, Key> = {
  available: "settings.state_available",
  refused: "settings.state_refused",
  loaded: "settings.state_loaded",
  active: "settings.state_active",
  draining: "settings.state_draining",
  quarantined: "settings.state_quarantined",
};
const HEALTH: Record<string, Key> = { ok: "settings.health_ok", degraded: "settings.health_degraded", failing: "settings.health_failing" };
/** The others serve from the host's start to its end. */
const RELOADABLE: PluginKind[] = ["policy", "format", "runtime"];

const number = (value: number, options: Intl.NumberFormatOptions = {}) => new Intl.NumberFormat(locale(), options).format(value);
const unit = (value: number, name: string) => number(value, { style: "unit", unit: name, maximumFractionDigits: 1 });
const time = (us: number) => (us < 1000 ? unit(us, "microsecond") : unit(us / 1000, "millisecond"));

const problems = (plugin: PluginRow) => (plugin.state === "refused" ? 0 : plugin.state === "loaded" ? 1 : 2);

/** What was found: first what was refused, then what runs, then the rest. */
export function PluginList({ plugins, admin, onReloaded }: { plugins: PluginRow[]; admin: boolean; onReloaded(): void }) {
  const { t } = useTranslation();
  const rows = [...plugins].sort((a, b) => problems(a) - problems(b) || a.id.localeCompare(b.id));
  return (
    <section aria-label={t("settings.plugins")}>
      <h3>{t("settings.plugins")}</h3>
      <ul className="plugins" data-testid="plugins">
        {rows.map((plugin) => (
          <Plugin key={plugin.path + plugin.id} plugin={plugin} admin={admin} onReloaded={onReloaded} />
        ))}
      </ul>
    </section>
  );
}

function Plugin({ plugin, admin, onReloaded }: { plugin: PluginRow; admin: boolean; onReloaded(): void }) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<WireError | null>(null);
  const [kept, setKept] = useState<string[]>([]);
  const newest = plugin.generations[plugin.generations.length - 1];
  const state = plugin.state === "refused" ? "refused" : (newest?.state ?? plugin.state);
  const reload = async () => {
    setBusy(true);
    setError(null);
    setKept([]);
    try {
      const { sessions } = await api.reloadPlugin(plugin.id);
      setKept(sessions.filter((one) => !one.ok).map((one) => one.error ?? one.session_id));
      onReloaded();
    } catch (reason) {
      setError(toWireError(reason));
    } finally {
      setBusy(false);
    }
  };
  const canReload = admin && plugin.state === "loaded" && plugin.kind !== undefined && RELOADABLE.includes(plugin.kind);
  return (
    <li className="plugin" data-testid="plugin" data-plugin={plugin.id} data-state={state}>
      <div className="plugin-head">
        <strong>{plugin.id}</strong>
        <span className="soft">{[plugin.kind && t(KINDS[plugin.kind]), plugin.version, plugin.isolation && t(plugin.isolation === "process" ? "settings.isolated" : "settings.in_host")].filter(Boolean).join(" · ")}</span>
        <span className={`plugin-state plugin-${state}`}>{STATES[state] ? t(STATES[state]) : state}</span>
        {canReload && (
          <Button onClick={() => void reload()} disabled={busy} testId="reload" label={t("settings.reload_named", { name: plugin.id })}>
            {t("settings.reload")}
          </Button>
        )}
      </div>
      {plugin.description && <p className="soft">{plugin.description}</p>}
      {plugin.refused && <ErrorNote error={plugin.refused} />}
      {[...plugin.generations].reverse().map((generation) => (
        <Figures key={generation.number} generation={generation} newest={generation === newest} />
      ))}
      {error && <ErrorNote error={error} onDismiss={() => setError(null)} />}
      {kept.map((why, at) => (
        <ErrorNote key={at} error={{ code: "kept", message: t("settings.session_kept", { why }) }} />
      ))}
    </li>
  );
}

function Figures({ generation, newest }: { generation: Generation; newest: boolean }) {
  const { t } = useTranslation();
  const health = generation.health;
  return (
    <>
      <dl className="figures" data-testid="figures">
        <Figure name="settings.generation" value={`${generation.number}${newest || !STATES[generation.state] ? "" : ` (${t(STATES[generation.state]!)})`}`} />
        <Figure name="settings.load_time" value={time(generation.load_us)} />
        <Figure name="settings.calls" value={number(generation.calls)} />
        <Figure name="settings.slow" value={time(generation.p99_us)} />
        <Figure name="settings.failures" value={number(generation.failures)} bad={generation.failures > 0} />
        {generation.memory_bytes !== undefined && <Figure name="settings.memory" value={unit(generation.memory_bytes / (1 << 20), "megabyte")} />}
        {generation.restarts !== undefined && <Figure name="settings.restarts" value={number(generation.restarts)} bad={generation.restarts > 0} />}
        {health && <Figure name="settings.health" value={[HEALTH[health.state] ? t(HEALTH[health.state]!) : health.state, health.summary].filter(Boolean).join(": ")} bad={health.state !== "ok"} />}
      </dl>
      {(generation.why || generation.last_failure) && <p className="plugin-why">{[generation.why, generation.last_failure].filter(Boolean).join(" · ")}</p>}
    </>
  );
}

function Figure({ name, value, bad }: { name: Key; value: ReactNode; bad?: boolean }) {
  const { t } = useTranslation();
  return (
    <div className={bad ? "figure-bad" : undefined}>
      <dt>{t(name)}</dt>
      <dd>{value}</dd>
    </div>
  );
}
