import { useEffect, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { say } from "../i18n";
import { Button } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { PlusIcon } from "../ui/icons";
import { navigate } from "../ui/navigation";
import { api, toWireError } from "../wire/http";
import type { RuntimeRow, WireError } from "../wire/types";
import { useOtherDevices } from "./other_devices";

const DEFAULT_RUNTIME = "jupyter/python3";

/** What the device says it has instead. */
function knownThere(error: WireError): RuntimeRow[] {
  const known = error.code === "unknown_runtime" ? error.details?.known : undefined;
  return Array.isArray(known) ? known.filter((name) => typeof name === "string").map((name) => ({ name, display_name: name, language: "" })) : [];
}

/** A new notebook: its name, what runs it, and, where others are paired, on which device. `admin`: may see which those are. */
export function CreateNotebook({ dir, admin }: { dir: string; admin: boolean }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const [name, setName] = useState(() => `${say("files.untitled")}.ipynb`);
  const [here, setHere] = useState<RuntimeRow[]>([]);
  const [there, setThere] = useState<RuntimeRow[]>([]);
  const [runtime, setRuntime] = useState(DEFAULT_RUNTIME);
  const [device, setDevice] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<WireError | null>(null);
  const devices = useOtherDevices(open && admin);
  useEffect(() => {
    if (!open) return;
    let current = true;
    const take = (known: RuntimeRow[]) => {
      if (!current) return;
      setHere(known);
      if (known.length > 0 && !known.some(({ name: one }) => one === DEFAULT_RUNTIME)) setRuntime(known[0]!.name);
    };
    // Without the list there is still the usual one; what is wrong with it, creating will say.
    api.runtimes().then(take, () => undefined);
    return () => {
      current = false;
    };
  }, [open]);
  const choose = (id: string) => {
    setDevice(id);
    setThere([]);
    setError(null);
    if (id === "" && here.length > 0 && !here.some((one) => one.name === runtime)) setRuntime(here[0]!.name);
  };
  const create = async (event: FormEvent) => {
    event.preventDefault();
    const file = /\.(ipynb|py|md|qmd|r|jl)$/i.test(name) ? name : `${name}.ipynb`;
    const path = dir && device === "" ? `${dir}/${file}` : file;
    setBusy(true);
    setError(null);
    try {
      if (device === "") {
        await api.create({ runtime, path });
        navigate({ path });
      } else {
        const { session_id } = await api.createOn(device, { runtime, path });
        navigate({ session: session_id });
      }
    } catch (reason) {
      const refused = toWireError(reason);
      const known = device === "" ? [] : knownThere(refused);
      if (known.length > 0) {
        setThere(known);
        setRuntime(known[0]!.name);
      }
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  if (!open) {
    return (
      <Button kind="primary" onClick={() => setOpen(true)} testId="new-notebook">
        <PlusIcon /> {t("files.new")}
      </Button>
    );
  }
  const runtimes = there.length > 0 ? there : here;
  return (
    <form className="create" onSubmit={(event) => void create(event)}>
      <label>
        <span className="visually-hidden">{t("files.name")}</span>
        <input value={name} onChange={(event) => setName(event.target.value)} autoFocus onFocus={(event) => event.target.select()} data-testid="new-name" />
      </label>
      {devices.length > 0 && (
        <label className="select">
          <span className="visually-hidden">{t("files.device")}</span>
          <select value={device} onChange={(event) => choose(event.target.value)} data-testid="device-choice">
            <option value="">{t("files.this_device")}</option>
            {devices.map((one) => (
              <option key={one.device_id} value={one.device_id}>
                {one.device_name || t("devices.unnamed")}
              </option>
            ))}
          </select>
        </label>
      )}
      {runtimes.length > 0 && (
        <label className="select">
          <span className="visually-hidden">{t("files.runtime")}</span>
          <select value={runtime} onChange={(event) => setRuntime(event.target.value)} data-testid="runtime">
            {runtimes.map((one) => (
              <option key={one.name} value={one.name}>
                {one.display_name || one.name}
              </option>
            ))}
          </select>
        </label>
      )}
      <Button kind="primary" type="submit" disabled={busy} testId="create">
        {t("files.create")}
      </Button>
      <Button onClick={() => setOpen(false)}>{t("app.cancel")}</Button>
      {error && <ErrorNote error={error} />}
    </form>
  );
}
