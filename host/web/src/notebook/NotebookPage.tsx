import { useCallback, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { History } from "../history/History";
import { sayWords } from "../i18n";
import { GatherOffer } from "../room/GatherOffer";
import { Members } from "../room/Members";
import { ReaderBanner } from "../room/ReaderBanner";
import { ShareDialog } from "../room/ShareDialog";
import { TakeoverAsks } from "../room/TakeoverAsks";
import { Actions } from "../session/actions";
import { openNotebook, type Where } from "../session/early";
import { Session } from "../session/session";
import { IconButton } from "../ui/Button";
import { ShareIcon } from "../ui/icons";
import { ErrorNote } from "../ui/ErrorNote";
import { useStore } from "../store/store";
import { followFile, placeOf, route } from "../ui/navigation";
import { isKiosk, type Route } from "../ui/route";
import { Header } from "../ui/Header";
import { toWireError } from "../wire/http";
import type { ConnectionInfo, WireError } from "../wire/types";
import { OpenContext, useOpen, useSession, type Open } from "./context";
import { HelpDialog } from "./HelpDialog";
import { Notebook } from "./Notebook";
import { NotebookUi } from "./notebook_ui";
import { RestartDialog } from "./RestartDialog";
import { KernelStatus, SaveState } from "./StatusBar";
import { Troubles } from "./Troubles";
import { FindBar } from "./FindBar";
import { PresentationControls } from "./Presentation";
import { PanelButtons, SidePanel } from "./SidePanel";
import { Toolbar, ViewMenu } from "./Toolbar";

const viewOf = (state: Route) => state.view;

/** Tells the style sheet how tall the head is: what sticks below it and what is scrolled to stay clear of it. */
function useHeadHeight() {
  return useCallback((head: HTMLElement | null) => {
    if (!head) return;
    const tell = () => document.documentElement.style.setProperty("--head", `${Math.round(head.getBoundingClientRect().height)}px`);
    const observer = new ResizeObserver(tell);
    observer.observe(head);
    return () => observer.disconnect();
  }, []);
}

function startSession(info: ConnectionInfo, where: Where): Open {
  const session = new Session(info, where);
  const actions = new Actions(session);
  void session.open();
  return { session, actions, ui: new NotebookUi(session, actions) };
}

/** Opens a notebook and keeps its session for as long as the page shows it. */
export function NotebookPage({ path, remote }: Where) {
  const { t } = useTranslation();
  const view = useStore(route, viewOf);
  const head = useHeadHeight();
  const place = path === undefined ? undefined : placeOf(path);
  const [open, setOpen] = useState<Open | null>(null);
  const [error, setError] = useState<WireError | null>(null);
  useEffect(() => {
    let current = true;
    let mine: Open | null = null;
    setOpen(null);
    setError(null);
    const where: Where = remote === undefined ? { path } : { remote };
    openNotebook(where).then(
      (info) => {
        if (!current) return;
        mine = startSession(info, where);
        setOpen(mine);
      },
      (reason: unknown) => current && setError(toWireError(reason)),
    );
    return () => {
      current = false;
      mine?.session.close();
    };
    // By another name it is the same notebook.
  }, [place, remote]);
  const name = open?.session.fileName ?? (path?.split("/").pop() || t("app.opening"));
  const device = open?.session.remote ? t("sessions.on_device", { device: open.session.remote.device_name || t("devices.unnamed") }) : null;
  useEffect(() => {
    document.title = [name, device, "Lectern"].filter(Boolean).join(" · ");
  }, [name, device]);
  if (error) {
    return (
      <>
        <Header title={name} />
        <main className="page">
          <h1 className="visually-hidden">{name}</h1>
          <ErrorNote error={error} />
          <p>
            <a href="/">{t("app.back")}</a>
          </p>
        </main>
      </>
    );
  }
  if (!open) return <Header title={name} path={path} />;
  return (
    <OpenContext.Provider value={open}>
      <div className={`shell view-${view} ${isKiosk() ? "kiosk" : ""}`}>
        <div className="sticky" ref={head}>
          <Header title={name} path={path} note={device ?? undefined}>
            <SaveState />
            <KernelStatus />
            <Members />
            {!isKiosk() && <ViewMenu />}
            {!isKiosk() && <Share path={path} />}
            {!isKiosk() && <PanelButtons />}
          </Header>
          {!isKiosk() && view === "edit" && <Toolbar />}
          <FindBar />
        </div>
        <div className="workspace">
          <SidePanel />
          <main className="notebook">
            <h1 className="visually-hidden">{name}</h1>
            <Troubles />
            <ReaderBanner />
            <TakeoverAsks />
            <GatherOffer />
            <Announcer />
            <FollowFile />
            <Notebook />
          </main>
        </div>
        {(view === "present" || view === "slides") && <PresentationControls view={view} />}
      </div>
      <HelpDialog />
      <RestartDialog />
      <History />
    </OpenContext.Provider>
  );
}

function Share({ path }: { path: string | undefined }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <>
      <IconButton label={t("share.title")} onClick={() => setOpen(true)} testId="open-share">
        <ShareIcon />
      </IconButton>
      {open && <ShareDialog path={path} onClose={() => setOpen(false)} />}
    </>
  );
}

/** The address goes with a file that is renamed or moved. */
function FollowFile() {
  const { session } = useOpen();
  const path = useSession((state) => state.save?.path);
  useEffect(() => {
    const moved = path ? session.fileMoved(path) : null;
    if (moved) followFile(moved.from, moved.to);
  }, [session, path]);
  return null;
}

/** Tells screen readers that the pen moved, is asked for, or goes by other rules. */
function Announcer() {
  useTranslation();
  const words = useSession((state) => state.announcement);
  return (
    <div className="visually-hidden" role="status" aria-live="polite" data-testid="announcement">
      {words ? sayWords(words) : ""}
    </div>
  );
}
