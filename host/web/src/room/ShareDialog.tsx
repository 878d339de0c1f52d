import { useEffect, useRef, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import type { Key } from "../i18n";
import { useSession } from "../notebook/context";
import { copyText } from "../ui/clipboard";
import { Button } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { routeUrl } from "../ui/route";
import { api, toWireError } from "../wire/http";
import type { WireError } from "../wire/types";
import { QrCode } from "./QrCode";

type Scope = "view" | "interact" | "edit";
const SCOPES: Record<Scope, Key> = { view: "share.view", interact: "share.interact", edit: "share.edit" };
const HOUR_MS = 3_600_000;
const TIMES: [number, Key][] = [
  [HOUR_MS, "share.hour"],
  [24 * HOUR_MS, "share.day"],
  [7 * 24 * HOUR_MS, "share.week"],
];
const LOOPBACK = /^(localhost|127\.|\[::1\])/;

/** A link that can do no more than its scope, for this session alone, and that ends by itself. One of another device has no path here. */
export function ShareDialog({ path, onClose }: { path: string | undefined; onClose(): void }) {
  const { t } = useTranslation();
  const session = useSession((state) => state.sessionId);
  const dialog = useRef<HTMLDialogElement>(null);
  const [scope, setScope] = useState<Scope>("view");
  const [time, setTime] = useState(HOUR_MS);
  const [link, setLink] = useState<string | null>(null);
  const [error, setError] = useState<WireError | null>(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const make = async (event: FormEvent) => {
    event.preventDefault();
    setError(null);
    setCopied(false);
    try {
      const { token } = await api.mintToken({ scope, session_id: session, expires_ms: time });
      const url = new URL(routeUrl(path === undefined ? { session } : { path }, ""), window.location.href);
      url.searchParams.set("token", token);
      setLink(url.toString());
    } catch (reason) {
      setError(toWireError(reason));
    }
  };
  return (
    <dialog ref={dialog} className="dialog share" aria-label={t("share.title")} onClose={onClose} data-testid="share">
      <h2>{t("share.title")}</h2>
      <form onSubmit={(event) => void make(event)}>
        <label className="select">
          {t("share.who")}
          <select value={scope} onChange={(event) => setScope(event.target.value as Scope)} data-testid="share-scope">
            {Object.entries(SCOPES).map(([value, words]) => (
              <option key={value} value={value}>
                {t(words)}
              </option>
            ))}
          </select>
        </label>
        <label className="select">
          {t("share.expires")}
          <select value={time} onChange={(event) => setTime(Number(event.target.value))}>
            {TIMES.map(([value, words]) => (
              <option key={value} value={value}>
                {t(words)}
              </option>
            ))}
          </select>
        </label>
        <Button kind="primary" type="submit" testId="share-make">
          {t("share.make")}
        </Button>
      </form>
      {error && <ErrorNote error={error} />}
      {link && (
        <div className="share-link">
          <label>
            <span className="soft">{t("share.link")}</span>
            <input readOnly value={link} onFocus={(event) => event.target.select()} data-testid="share-link" />
          </label>
          <Button onClick={() => void copyText(link).then(() => setCopied(true))}>{t(copied ? "draft.copied" : "draft.copy")}</Button>
          <QrCode text={link} label={t("share.qr")} />
          {LOOPBACK.test(window.location.host) && <p className="soft">{t("share.loopback")}</p>}
        </div>
      )}
      <Button onClick={() => dialog.current?.close()}>{t("app.close")}</Button>
    </dialog>
  );
}
