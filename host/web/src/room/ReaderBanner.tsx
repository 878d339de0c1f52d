import { useState, type FormEvent } from "react";
import { Trans, useTranslation } from "react-i18next";
import { timeOfDay } from "../i18n";
import { useOpen, useSession } from "../notebook/context";
import { useStore } from "../store/store";
import { Button } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { EyeIcon, PenIcon } from "../ui/icons";
import { route } from "../ui/navigation";
import { isKiosk, type Route } from "../ui/route";
import { nameOf } from "./names";
import { useSecondsLeft } from "./countdown";

/** Only where an editing affordance fits: not for kiosks, not while presenting, not on slides. */
const fits = ({ view }: Route) => !isKiosk() && (view === "edit" || view === "read");

/** For readers: who has the pen, since when, and how to get it. */
export function ReaderBanner() {
  const { t } = useTranslation();
  const { session } = useOpen();
  const reading = useSession((state) => !state.capabilities.edit && state.clientId !== null);
  const notice = useSession((state) => state.notices.find((known) => known.place === "banner"));
  const asking = useSession((state) => state.asking);
  const shown = useStore(route, fits) && reading;
  if (!shown) return null;
  return (
    <section className="reader-banner" aria-label={t("pen.reading")} data-testid="reader-banner">
      <div className="reader-row">
        <EyeIcon />
        <p>
          {t("pen.reading_now")} <PenHolder />
        </p>
        {asking ? <Asking /> : <GetThePen />}
      </div>
      {notice && <ErrorNote error={notice.error} onDismiss={() => session.dismissNotice(notice.id)} />}
    </section>
  );
}

function PenHolder() {
  const { t } = useTranslation();
  const editor = useSession((state) => state.room.editor);
  const reserved = useSession((state) => state.room.reserved_until);
  const since = useSession((state) => state.room.since);
  if (!editor) return t("pen.free");
  const name = nameOf(editor);
  const strong = [<strong key="name" />];
  if (reserved) return <Trans t={t} i18nKey="pen.away" values={{ name, time: timeOfDay(reserved) }} components={strong} />;
  if (!since) return <Trans t={t} i18nKey="pen.edits_now" values={{ name }} components={strong} />;
  return <Trans t={t} i18nKey="pen.edits" values={{ name, time: timeOfDay(since) }} components={strong} />;
}

/** The button; where the policy asks the editor, a word to them goes with it. */
function GetThePen() {
  const { t } = useTranslation();
  const { actions } = useOpen();
  const editor = useSession((state) => state.room.editor);
  const asks = useSession((state) => state.policyAsks && state.room.editor !== null);
  const connected = useSession((state) => state.phase === "open");
  const [busy, setBusy] = useState(false);
  const [reason, setReason] = useState("");
  const name = editor ? nameOf(editor) : "";
  const take = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    await actions.takeover(reason.trim());
    setBusy(false);
  };
  return (
    <form className="get-pen" onSubmit={(event) => void take(event)}>
      {asks && (
        <input
          value={reason}
          maxLength={280}
          onChange={(event) => setReason(event.target.value)}
          placeholder={t("pen.reason", { name })}
          aria-label={t("pen.reason", { name })}
          data-testid="takeover-reason"
        />
      )}
      <Button
        kind="primary"
        type="submit"
        disabled={busy || !connected}
        testId="takeover-button"
        title={asks ? t("pen.ask_title", { name }) : editor ? t("pen.take_over_title", { name }) : t("pen.start")}
      >
        <PenIcon />
        {t(asks ? "pen.ask" : "pen.take_over")}
      </Button>
    </form>
  );
}

function Asking() {
  const { t } = useTranslation();
  const { actions } = useOpen();
  const asking = useSession((state) => state.asking);
  const seconds = useSecondsLeft(asking?.until ?? 0);
  if (!asking) return null;
  return (
    <span className="asking" data-testid="asking">
      {t("pen.asked", { name: asking.asked, seconds })} <Button onClick={() => void actions.withdraw()}>{t("pen.withdraw")}</Button>
    </span>
  );
}
