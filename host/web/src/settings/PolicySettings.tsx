import { useEffect, useMemo, useRef, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { api, toWireError } from "../wire/http";
import type { JsonObject, PluginRow, PolicyAnswer, PolicyChoice } from "../wire/host_types";
import type { WireError } from "../wire/types";
import { asText, configOf, describedSettings, fieldsOf, parseObject } from "./config_form";
import { ConfigField } from "./ConfigField";
import { inWords } from "./differences";

const WATCH_S = [0, 5, 15];

const schemaIn = (plugin: PluginRow): JsonObject | null => [...plugin.generations].reverse().find((one) => one.config_schema)?.config_schema ?? null;

/** The schema of a policy's settings: undefined until it is known, null where it has none. */
function useSchema(plugin: PluginRow): { schema: JsonObject | null | undefined; error?: WireError } {
  const [fetched, setFetched] = useState<{ id: string; schema: JsonObject | null; error?: WireError } | null>(null);
  const here = schemaIn(plugin);
  const id = plugin.id;
  const loaded = plugin.generations.length > 0;
  useEffect(() => {
    if (loaded) return;
    let current = true;
    api.plugin(id).then(
      (row) => current && setFetched({ id, schema: schemaIn(row) }),
      (reason: unknown) => current && setFetched({ id, schema: null, error: toWireError(reason) }),
    );
    return () => {
      current = false;
    };
  }, [id, loaded]);
  // Known once, it stays known while the policy's last user leaves.
  const known = useRef<JsonObject | null>(null);
  if (here) known.current = here;
  if (known.current || loaded) return { schema: known.current };
  return fetched && fetched.id === id ? fetched : { schema: undefined };
}

/** Which rules say who may edit; others are tried beside them, or take their place while people work. */
export function PolicySettings({ session, admin, plugins, changed }: { session?: string; admin: boolean; plugins: PluginRow[]; changed: number }) {
  const { t } = useTranslation();
  const [target, setTarget] = useState(session);
  const [now, setNow] = useState<PolicyChoice | null>(null);
  const [error, setError] = useState<WireError | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  const [applied, setApplied] = useState<string | null>(null);
  useEffect(() => {
    let current = true;
    api.policy(target).then(
      (policy) => {
        if (!current) return;
        setNow(policy);
        setError(null);
      },
      (reason: unknown) => current && setError(toWireError(reason)),
    );
    return () => {
      current = false;
    };
  }, [target, changed, turn]);
  const policies = plugins.filter((one) => one.kind === "policy" && one.state !== "refused");
  const wanted = chosen ?? now?.policy;
  const plugin = policies.find((one) => one.id === wanted);
  return (
    <section aria-label={t("settings.policy")} className="policy" data-testid="policy">
      <h3>{t("settings.policy")}</h3>
      {error && <ErrorNote error={error} />}
      {session !== undefined && (
        <label className="setting">
          <span>{t("settings.for")}</span>
          <select
            value={target === undefined ? "host" : "session"}
            onChange={(event) => {
              setTarget(event.target.value === "host" ? undefined : session);
              setNow(null);
              setChosen(null);
            }}
            data-testid="policy-target"
          >
            <option value="session">{t("settings.for_session")}</option>
            <option value="host">{t("settings.for_host")}</option>
          </select>
        </label>
      )}
      {now && (
        <p data-testid="policy-now">
          {t("settings.in_use", { policy: now.policy })}
          {Object.keys(now.config).length > 0 && <code className="policy-config">{JSON.stringify(now.config)}</code>}
        </p>
      )}
      {now && admin && (
        <label className="setting">
          <span>{t("settings.choose")}</span>
          <select value={wanted} onChange={(event) => setChosen(event.target.value)} data-testid="policy-choice">
            {!plugin && <option value={wanted}>{wanted}</option>}
            {policies.map((one) => (
              <option key={one.id} value={one.id}>
                {one.id}
              </option>
            ))}
          </select>
        </label>
      )}
      {plugin?.description && <p className="soft">{plugin.description}</p>}
      {now && admin && plugin && (
        <PolicyForm key={`${target} ${plugin.id} ${turn}`} plugin={plugin} target={target} config={plugin.id === now.policy ? now.config : {}} onSent={() => setApplied(null)} onApplied={(answer) => {
            setApplied(answer.policy);
            setNow({ policy: answer.policy, config: answer.config });
            setTurn(turn + 1);
          }} />
      )}
      <p role="status" className="applied" data-testid="policy-applied">
        {applied && t("settings.applied", { policy: applied })}
      </p>
    </section>
  );
}

interface FormProps {
  plugin: PluginRow;
  target?: string;
  config: JsonObject;
  onSent(): void;
  onApplied(answer: PolicyAnswer): void;
}

function PolicyForm(props: FormProps) {
  const { t } = useTranslation();
  const { schema, error } = useSchema(props.plugin);
  if (error) return <ErrorNote error={error} />;
  if (schema === undefined) return <p className="soft">{t("settings.loading")}</p>;
  return <ConfigForm {...props} schema={schema} />;
}

function ConfigForm({ plugin, target, config, schema, onSent, onApplied }: FormProps & { schema: JsonObject | null }) {
  const { t } = useTranslation();
  const known = useMemo(() => fieldsOf(schema), [schema]);
  // A setting in use that no field can hold: only JSON shows it.
  const fields = known && Object.keys(config).every((name) => known.some((field) => field.name === name)) ? known : null;
  const [values, setValues] = useState<Record<string, string>>(() => Object.fromEntries(Object.entries(config).map(([name, value]) => [name, asText(value)])));
  const [text, setText] = useState(() => JSON.stringify(config, null, 2));
  const [watch, setWatch] = useState(0);
  const [busy, setBusy] = useState<"try" | "apply" | null>(null);
  const [error, setError] = useState<WireError | null>(null);
  const [answer, setAnswer] = useState<PolicyAnswer | null>(null);
  const send = async (dry: boolean) => {
    onSent();
    setError(null);
    setAnswer(null);
    const wanted = fields ? configOf(fields, values) : parseObject(text);
    if (!wanted) return setError({ code: "bad_config", message: t("settings.not_json") });
    setBusy(dry ? "try" : "apply");
    try {
      const got = await api.setPolicy(target, { policy: plugin.id, config: wanted, ...(dry ? { dry_run: true, watch_ms: watch * 1000 } : {}) });
      if (dry || got.sessions?.some((one) => !one.ok)) setAnswer(got);
      else onApplied(got);
    } catch (reason) {
      setError(toWireError(reason));
    } finally {
      setBusy(null);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void send(false);
  };
  const at = typeof error?.details?.pointer === "string" ? error.details.pointer.slice(1) : "";
  const place = fields?.find((field) => field.name === at);
  return (
    <form className="policy-form" onSubmit={submit} noValidate>
      {fields?.map((field) => (
        <ConfigField key={field.name} field={field} value={values[field.name] ?? ""} error={field === place ? error : null} onChange={(value) => setValues({ ...values, [field.name]: value })} />
      ))}
      {!fields && <JsonField schema={schema} text={text} wrong={error?.code === "bad_config"} onChange={setText} />}
      {error && !place && <ErrorNote error={error} />}
      <div className="policy-buttons">
        <Button kind="primary" type="submit" disabled={busy !== null} testId="policy-apply">
          {t("settings.apply")}
        </Button>
        <span className="policy-try">
          <Button onClick={() => void send(true)} disabled={busy !== null} testId="policy-try">
            {t("settings.try")}
          </Button>
          <label>
            <span className="visually-hidden">{t("settings.watch")}</span>
            <select value={watch} onChange={(event) => setWatch(Number(event.target.value))} data-testid="policy-watch">
              {WATCH_S.map((seconds) => (
                <option key={seconds} value={seconds}>
                  {seconds === 0 ? t("settings.watch_none") : t("settings.watch_for", { seconds })}
                </option>
              ))}
            </select>
          </label>
        </span>
      </div>
      <div role="status" data-testid="policy-answer">
        {busy === "try" && watch > 0 && <p className="soft">{t("settings.watching", { seconds: watch })}</p>}
        {answer && <Answer answer={answer} />}
      </div>
    </form>
  );
}

function JsonField({ schema, text, wrong, onChange }: { schema: JsonObject | null; text: string; wrong: boolean; onChange(text: string): void }) {
  const { t } = useTranslation();
  const described = describedSettings(schema);
  return (
    <>
      <label className="setting setting-wide">
        <span>{t("settings.json")}</span>
        <textarea value={text} rows={4} spellCheck={false} aria-invalid={wrong || undefined} onChange={(event) => onChange(event.target.value)} data-testid="policy-json" />
      </label>
      {described.length === 0 && <p className="soft">{t("settings.no_schema")}</p>}
      {described.length > 0 && (
        <ul className="described">
          {described.map(({ name, description }) => (
            <li key={name}>
              <code>{name}</code> <span className="soft">{description}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Answer({ answer }: { answer: PolicyAnswer }) {
  const { t } = useTranslation();
  const kept = (answer.sessions ?? []).filter((one) => !one.ok);
  const why = (error: NonNullable<PolicyAnswer["sessions"]>[number]["error"]) => (typeof error === "string" ? error : (error?.message ?? error?.error?.message ?? ""));
  return (
    <>
      {kept.map((one) => (
        <ErrorNote key={one.session_id} error={{ code: "kept", message: t("settings.session_kept", { why: why(one.error) }) }} />
      ))}
      {answer.differences && answer.differences.length === 0 && kept.length === 0 && <p>{t("settings.same", { policy: answer.policy })}</p>}
      {answer.differences && answer.differences.length > 0 && (
        <>
          <p>{t("settings.would", { policy: answer.policy })}</p>
          <ul className="differences" data-testid="differences">
            {inWords(answer).map((one, at) => (
              <li key={at}>
                <strong>{one.when}</strong>
                <span>{t("settings.now", { what: one.now })}</span>
                <span>{t("settings.then", { what: one.then })}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}
