import { useCallback, useEffect, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { timeOfDay, type Key } from "../i18n";
import { QrCode } from "../room/QrCode";
import { Button } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { api, toWireError } from "../wire/http";
import type { DeviceRow, PairingOffer } from "../wire/host_types";
import type { WireError } from "../wire/types";

const SCOPES: Record<string, Key> = { view: "share.view", interact: "share.interact", edit: "share.edit", admin: "devices.everything", none: "devices.nothing" };
const OFFERED = ["view", "interact", "edit"];
/** To the device whose code is taken: an invitation that is accepted does not let the other side change anything here. */
const GRANTED = ["view", "none", "interact", "edit"];
/** While a code is shown, the list is looked at this often for who used it. */
const LOOK_MS = 1500;

/** The devices that know this one, and the way to make one more know it. For who may administer the host. */
export function Devices() {
  const { t } = useTranslation();
  const [devices, setDevices] = useState<DeviceRow[] | null>(null);
  const [error, setError] = useState<WireError | null>(null);
  const refresh = useCallback(
    () =>
      api.devices().then(
        (rows) => setDevices(rows),
        (reason: unknown) => setError(toWireError(reason)),
      ),
    [],
  );
  useEffect(() => void refresh(), [refresh]);
  return (
    <section aria-label={t("devices.title")} data-testid="devices">
      <h3>{t("devices.title")}</h3>
      {error && <ErrorNote error={error} onDismiss={() => setError(null)} />}
      {devices?.length === 0 && <p className="soft">{t("devices.none")}</p>}
      <ul className="plugins">
        {devices?.map((device) => (
          <Device key={device.device_id} device={device} onGone={() => void refresh()} />
        ))}
      </ul>
      {devices && <PairDevice devices={devices} refresh={refresh} />}
    </section>
  );
}

function useDeviceName(): (device: DeviceRow) => string {
  const { t } = useTranslation();
  return (device) => device.device_name || t("devices.unnamed");
}

function Device({ device, onGone }: { device: DeviceRow; onGone(): void }) {
  const { t } = useTranslation();
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState<WireError | null>(null);
  const name = useDeviceName()(device);
  const unpair = () => {
    setAsking(false);
    setError(null);
    api.unpair(device.device_id).then(onGone, (reason: unknown) => setError(toWireError(reason)));
  };
  return (
    <li className="plugin" data-testid="device" data-device={device.device_id}>
      <div className="plugin-head">
        <strong>{name}</strong>
        <span className="soft">{t("devices.here", { what: SCOPES[device.scope] ? t(SCOPES[device.scope]!) : device.scope })}</span>
        <Button onClick={() => setAsking(!asking)} testId="unpair" label={t("devices.unpair_named", { name })}>
          {t("devices.unpair")}
        </Button>
      </div>
      {asking && (
        <div className="trouble" role="group">
          <span>{t("devices.unpair_sure", { name })}</span>
          <span className="trouble-actions">
            <Button onClick={unpair} testId="unpair-sure">
              {t("devices.unpair")}
            </Button>
            <Button onClick={() => setAsking(false)}>{t("app.cancel")}</Button>
          </span>
        </div>
      )}
      {error && <ErrorNote error={error} onDismiss={() => setError(null)} />}
    </li>
  );
}

/** What the other device is told: the code, and where this host is. */
const inviteOf = (offer: PairingOffer) => `${offer.code}@${offer.addresses[0] ?? window.location.host}`;

function PairDevice({ devices, refresh }: { devices: DeviceRow[]; refresh(): Promise<void> }) {
  const { t } = useTranslation();
  const nameOf = useDeviceName();
  const [scope, setScope] = useState("edit");
  const [shown, setShown] = useState<{ offer: PairingOffer; until: number; before: Set<string> } | null>(null);
  const [ended, setEnded] = useState(false);
  const [paired, setPaired] = useState<string | null>(null);
  const [error, setError] = useState<WireError | null>(null);

  const show = async (event: FormEvent) => {
    event.preventDefault();
    setError(null);
    setEnded(false);
    setPaired(null);
    try {
      const offer = await api.pair(scope);
      setShown({ offer, until: Date.parse(offer.expires_at), before: new Set(devices.map((device) => device.device_id + device.paired_at)) });
    } catch (reason) {
      setShown(null);
      setError(toWireError(reason));
    }
  };

  useEffect(() => {
    if (!shown) return;
    const timer = setInterval(() => {
      if (Date.now() < shown.until) return void refresh();
      setShown(null);
      setEnded(true);
    }, LOOK_MS);
    return () => clearInterval(timer);
  }, [shown, refresh]);

  // Who looks at it no longer has no use for it; whoever has seen it might.
  useEffect(() => {
    if (!shown) return;
    const withdraw = () => void api.withdrawPairing(shown.offer.code).catch(() => undefined);
    window.addEventListener("pagehide", withdraw);
    return () => {
      window.removeEventListener("pagehide", withdraw);
      withdraw();
    };
  }, [shown]);

  // A code works once: who is new is who used it.
  useEffect(() => {
    const fresh = shown && devices.find((device) => !shown.before.has(device.device_id + device.paired_at));
    if (!fresh) return;
    setShown(null);
    setPaired(nameOf(fresh));
  }, [shown, devices, nameOf]);

  return (
    <div className="pairing">
      <h3>{t("devices.pair")}</h3>
      <form className="policy-buttons" onSubmit={(event) => void show(event)}>
        <label className="select">
          {t("devices.pair_who")}{" "}
          <select value={scope} onChange={(event) => setScope(event.target.value)} data-testid="pair-scope">
            {OFFERED.map((one) => (
              <option key={one} value={one}>
                {t(SCOPES[one]!)}
              </option>
            ))}
          </select>
        </label>
        <Button type="submit" kind="primary" testId="pair">
          {t("devices.pair_show")}
        </Button>
      </form>
      {error && <ErrorNote error={error} onDismiss={() => setError(null)} />}
      <div role="status">
        {ended && <p>{t("devices.ended")}</p>}
        {paired && <p data-testid="paired">{t("devices.paired", { name: paired })}</p>}
      </div>
      {shown && (
        <div className="share-link" data-testid="pairing">
          <label>
            <span className="soft">{t("devices.pair_code")}</span>
            <input readOnly value={shown.offer.code} onFocus={(event) => event.target.select()} data-testid="pair-code" />
          </label>
          <p>
            {t("devices.how", { command: `lectern pair ${inviteOf(shown.offer)}` })} <span className="soft">{t("devices.ends", { time: timeOfDay(shown.until) })}</span>
          </p>
          <QrCode text={inviteOf(shown.offer)} label={t("devices.pair_qr")} />
        </div>
      )}
      <JoinDevice onPaired={(device) => void refresh().then(() => setPaired(nameOf(device)))} />
    </div>
  );
}

/** Takes the code that another device shows. */
function JoinDevice({ onPaired }: { onPaired(device: DeviceRow): void }) {
  const { t } = useTranslation();
  const [scope, setScope] = useState(GRANTED[0]!);
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<WireError | null>(null);
  const at = typed.indexOf("@");
  const join = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      onPaired(await api.joinPairing(typed.slice(at + 1).trim(), typed.slice(0, at).trim(), scope));
      setTyped("");
    } catch (reason) {
      setError(toWireError(reason));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="policy-buttons" onSubmit={(event) => void join(event)}>
      <label className="select">
        {t("devices.join_code")} <input value={typed} onChange={(event) => setTyped(event.target.value)} autoComplete="off" spellCheck={false} data-testid="join-code" />
      </label>
      <label className="select">
        {t("devices.pair_who")}{" "}
        <select value={scope} onChange={(event) => setScope(event.target.value)} data-testid="join-scope">
          {GRANTED.map((one) => (
            <option key={one} value={one}>
              {t(SCOPES[one]!)}
            </option>
          ))}
        </select>
      </label>
      <Button type="submit" disabled={busy || at < 1} testId="join">
        {t("devices.join")}
      </Button>
      {error && <ErrorNote error={error} onDismiss={() => setError(null)} />}
    </form>
  );
}
