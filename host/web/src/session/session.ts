import { NotebookDocument } from "../document/notebook_document";
import { storeUnsent, takeUnsent } from "../document/unsent";
import { differences, loadDrafts, mergeDrafts, storeDrafts, withoutArrived } from "../document/drafts";
import { createStore, type Store } from "../store/store";
import { fromSnapshot, reduce } from "../store/reducer";
import { Models, type WireWrite } from "../widgets/models";
import type { ModelsDocument } from "../widgets/models_document";
import { initialState, type Draft, type Notice, type SessionState } from "../store/session_state";
import { claimClient, clientIdOf, dropKey, readKey, writeKey } from "../wire/client_key";
import { Connection, type CloseInfo, type ConnectTarget } from "../wire/connection";
import { FRAME, splitPayload, type ChangesHeader, type DocumentHeader, type Frame } from "../wire/frames";
import { toWireError } from "../wire/http";
import type { ConnectionInfo, KernelReady, RemoteDevice, Reply, WireError, WireEvent } from "../wire/types";
import { say } from "../i18n";
import { openAgain, type Where } from "./early";
import { CursorSender } from "../room/cursor_sender";
import { chooseName, myLabel } from "../ui/my_name";
import { isKiosk, modelsFace } from "../ui/route";

/** Another connection of the same client took over: never come back under that name. */
const CLOSE_REPLACED = 4001;
const CLOSE_POLICY = 1008;
const CLOSE_NORMAL = 1000;
const CLOSE_TRY_AGAIN = 1013;
/** How long the host may take to confirm what was typed before this tab says so. */
const LATE_MS = 5000;
const DOCUMENT_UNAVAILABLE = "document_unavailable";
/** An answer this close to its deadline is the deadline. */
const ANSWER_SLACK_MS = 250;
/** How long typing may be on its way before the browser keeps a copy, and how often the copy is renewed. */
const KEEP_AFTER_MS = 400;

/** One open notebook in this tab: the wire, the state the page shows and the document, held together. */
export class Session {
  readonly store: Store<SessionState>;
  readonly document: NotebookDocument;
  readonly models: Models;
  readonly cursors = new CursorSender(this);
  private readonly connection: Connection;
  private stream = "";
  private lastSeq = -1;
  /** A snapshot is under way: what is half here cannot be resumed. */
  private snapshotting = false;
  private lastEpoch: number | null = null;
  private started = false;
  /** The current line has had its first frame. */
  private wasReady = false;
  private readonly modelsFace = modelsFace();
  private modelsDocument: Promise<ModelsDocument> | null = null;
  /** Of the next text frame. */
  private buffers: Uint8Array[] = [];
  private noticeCounter = 0;
  /** Submissions that the host has not answered for LATE_MS. */
  private lateAnswers = 0;
  /** Ends the wait of what was typed before the document was here. */
  private stopWaiting: (() => void) | null = null;
  private keepTimer: ReturnType<typeof setTimeout> | null = null;
  /** Under which client the browser keeps a copy of what is unsent. */
  private keptAs: string | null = null;
  private readonly onPageHide = () => this.keepUnsent();
  private readonly onWake = () => void this.connection.probe();
  private readonly onVisible = () => {
    if (document.visibilityState === "visible") this.onWake();
  };

  constructor(
    private info: ConnectionInfo,
    private where: Where,
  ) {
    this.store = createStore({ ...initialState(info.session_id), drafts: loadDrafts(info.notebook_id) });
    this.document = new NotebookDocument({
      notebook: () => this.store.get().notebook,
      publish: (notebook) => this.store.update((state) => ({ ...state, notebook })),
      submit: (chunks, flush) => this.submit(chunks, flush),
      canEdit: () => this.store.get().capabilities.edit && this.connection.isReady,
      refused: (mine, theirs, reply) => this.refused(differences(mine, theirs, new Date().toISOString()), reply),
      overtaken: (typing) => this.refused(typing.map((one) => ({ ...one, at: new Date().toISOString() })), null),
      unsent: (unsent) => this.onUnsent(unsent),
      ready: () => this.documentIsReady(),
      failed: (error) => this.documentFailed(error),
    });
    this.models = new Models((id, message, buffers) => this.writeModel(id, message, buffers));
    this.connection = new Connection(() => this.target(), {
      phase: (phase) => this.store.update((state) => ({ ...state, phase })),
      event: (op, seq, data) => this.onEvent({ op, seq, data } as WireEvent),
      frame: (frame) => this.onFrame(frame),
      closed: (info) => this.onClosed(info),
      silent: (silent) => this.store.update((state) => ({ ...state, silent })),
      reopen: () => this.reopen(),
      batchEnd: () => this.store.flush(),
    });
  }

  /** Dials. A tab that was duplicated finds its client taken and starts as a new one. */
  async open(): Promise<void> {
    window.addEventListener("pagehide", this.onPageHide);
    window.addEventListener("online", this.onWake);
    document.addEventListener("visibilitychange", this.onVisible);
    const key = readKey(this.info.notebook_id);
    if (key && !(await claimClient(clientIdOf(key)))) dropKey(this.info.notebook_id);
    const own = readKey(this.info.notebook_id);
    const left = await takeUnsent(this.info.notebook_id, own ? clientIdOf(own) : null);
    if (left.length > 0) this.setDrafts(mergeDrafts(this.store.get().drafts, left));
    this.connection.open();
  }

  close(): void {
    this.keepUnsent();
    if (this.keepTimer !== null) clearTimeout(this.keepTimer);
    window.removeEventListener("pagehide", this.onPageHide);
    window.removeEventListener("online", this.onWake);
    document.removeEventListener("visibilitychange", this.onVisible);
    this.connection.close();
  }

  retryNow(): void {
    this.store.update((state) => ({ ...state, ended: null }));
    if (this.connection.isReady) this.connection.redial();
    else this.connection.retryNow();
  }

  /** From now on the others see this name. The host takes names with a connection: the next one of the same client has it. */
  async callMe(name: string): Promise<void> {
    chooseName(name);
    await this.document.settle();
    this.connection.redial();
  }

  /** A command in the name of this tab; edit-tier ones carry the epoch of its own grant. */
  command(name: string, body: object, tier: "read" | "interact" | "edit" = "edit"): Promise<Reply> {
    const epoch = this.store.get().epoch;
    return this.connection.command(name, body, tier === "edit" && epoch !== null ? epoch : undefined);
  }

  notice(place: Notice["place"], error: WireError): void {
    this.noticeCounter += 1;
    const notice: Notice = { id: this.noticeCounter, place, error };
    this.store.update((state) => ({ ...state, notices: [...state.notices.filter((known) => known.place !== place), notice] }));
  }

  dismissNotice(id: number): void {
    this.store.update((state) => ({ ...state, notices: state.notices.filter((notice) => notice.id !== id) }));
  }

  clearNotices(place: Notice["place"]): void {
    if (!this.store.get().notices.some((notice) => notice.place === place)) return;
    this.store.update((state) => ({ ...state, notices: state.notices.filter((notice) => notice.place !== place) }));
  }

  setDrafts(drafts: Draft[]): void {
    this.store.update((state) => ({ ...state, drafts }));
    if (storeDrafts(this.info.notebook_id, drafts)) return;
    this.notice("bar", { code: "draft_not_stored", message: say("draft.not_stored"), hint: say("draft.not_stored_hint") });
  }

  /** The device that has the session; null when it is this host's own. */
  get remote(): RemoteDevice | null {
    return this.info.remote ?? null;
  }

  private get path(): string {
    return this.where.path ?? this.info.path;
  }

  get fileName(): string {
    return this.path.split("/").pop() || this.path;
  }

  /** The file is at `path` (absolute) now. What it is called in addresses from then on, and was before; null when nothing changes there. */
  fileMoved(path: string): { from: string; to: string } | null {
    const { path: before } = this.info;
    if (path === before) return null;
    this.info = { ...this.info, path };
    const from = this.where.path;
    if (from === undefined) return null;
    const root = before.endsWith(`/${from}`) ? before.slice(0, before.length - from.length) : "";
    const to = root !== "" && path.startsWith(root) ? path.slice(root.length) : path;
    this.where = { path: to };
    return { from, to };
  }

  /** A name typed by a person, as a path in the notebook's own folder. */
  besideFile(name: string): string {
    if (name.includes("/")) return name;
    const folder = this.path.includes("/") ? this.path.slice(0, this.path.lastIndexOf("/") + 1) : "";
    return folder + name;
  }

  /** Takes what a successful takeover answered, without waiting for the event that says the same. */
  granted(reply: Reply): void {
    const data = reply as unknown as { consumer_capabilities?: SessionState["capabilities"]; epoch?: number };
    if (!data.consumer_capabilities) return;
    this.onEvent({ op: "consumer-capabilities", seq: null, data: { consumer_capabilities: data.consumer_capabilities, epoch: data.epoch } });
    this.store.flush();
  }

  private target(): ConnectTarget {
    // The host names itself as the opening request did; the page stays with the origin it was loaded from, whose cookie it has.
    const named = new URL(this.info.connect_url, window.location.href);
    const url = new URL(named.pathname + named.search, window.location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("document", "changes");
    url.searchParams.set("notebook", "json");
    url.searchParams.set("models", this.modelsFace);
    url.searchParams.set("buffers", "binary");
    if (isKiosk()) url.searchParams.set("view_only", "true");
    url.searchParams.set("kind", "browser");
    url.searchParams.set("label", myLabel());
    this.wasReady = false;
    const key = readKey(this.info.notebook_id);
    if (!key) return { url: url.toString(), firstFrame: null };
    url.searchParams.set("client_id", clientIdOf(key));
    if (this.stream && this.lastSeq >= 0 && !this.snapshotting) url.searchParams.set("resume", `${this.stream}.${this.lastSeq}`);
    if (this.document.isReady) {
      url.searchParams.set("heads", this.document.knownHeads().join(","));
      url.searchParams.set("history_id", this.document.history);
    }
    return { url: url.toString(), firstFrame: { client: key } };
  }

  /** A host that was restarted knows the session again only once its notebook is opened. */
  private async reopen(): Promise<boolean> {
    try {
      const info = await openAgain(this.where);
      if (info.session_id !== this.info.session_id) this.stream = "";
      // Where the file is now, the first save-state tells everybody who shows it.
      this.info = { ...info, path: this.info.path };
      return true;
    } catch (error) {
      const known = toWireError(error);
      if (known.status !== undefined && known.status >= 400 && known.status < 500) this.notice("bar", known);
      return false;
    }
  }

  private onEvent(event: WireEvent): void {
    this.store.hold();
    if (typeof event.seq === "number") this.lastSeq = event.seq;
    const before = this.store.get();
    if (event.op === "replay-complete") {
      this.snapshotting = false;
      this.connection.markWhole();
      this.lastSeq = Math.max(this.lastSeq, event.data.seq ?? -1);
    }
    this.store.update((state) => reduce(state, event));
    if (event.op === "model-lifecycle") this.models.event(event.data, this.buffers.splice(0));
    if (event.op === "kernel-ready" && event.data.replay === "snapshot" && this.modelsFace === "events") this.models.replayBegins();
    if (event.op === "replay-complete") this.models.replayEnds();
    if (event.op === "kernel-ready") this.onReady(event.data, before);
    if (event.op === "consumer-capabilities") this.onCapabilities(before);
    if (event.op === "notice") this.notice("bar", { code: "notice", message: event.data.text });
    if (event.op === "save-state" && (event.data.state === "saved" || event.data.state === "dirty")) this.document.release();
    if (event.op === "resync") this.notice("bar", { code: "notice", message: say("trouble.slow") });
    if (event.op === "policy-changed") {
      const rules = say(event.data.multi_editor ? "pen.policy_together" : "pen.policy_single");
      this.notice("bar", { code: "notice", message: say("pen.policy_changed", { policy: event.data.policy }), hint: rules });
    }
    if (event.op === "takeover-answer" && before.asking?.request_id === event.data.request_id && !event.data.allowed) {
      const { asked: name, until } = before.asking;
      if (Date.now() >= until - ANSWER_SLACK_MS) this.notice("banner", { code: "notice", message: say("pen.unanswered", { name }) });
      else this.notice("banner", { code: "notice", message: say("pen.kept", { name }), hint: event.data.reason || undefined });
    }
    const epoch = this.store.get().epoch;
    if (epoch !== null) this.lastEpoch = epoch;
  }

  private onReady(ready: KernelReady, before: SessionState): void {
    const { client } = ready;
    if (client.secret) writeKey(this.info.notebook_id, client.id, client.secret);
    void claimClient(client.id);
    if (before.clientId && before.clientId !== client.id) this.document.newIdentity();
    this.snapshotting = ready.replay === "snapshot";
    if (this.stream !== ready.stream || this.snapshotting) this.lastSeq = -1;
    this.stream = ready.stream;
    this.wasReady = true;
    this.connection.markReady();
    const snapshot = ready.notebook ? fromSnapshot(ready.notebook) : null;
    this.document.connected(ready.actor, ready.history_id, snapshot);
    if (!ready.consumer_capabilities.edit) void this.document.demoted(this.lastEpoch);
    this.forgetArrivedDrafts();
    // Again on each new line, until it is here: the line that was cut may have taken it along.
    if (this.started) return void this.document.start();
    this.started = true;
    // Two frames: the first cells are painted before the wasm competes for the line and the processor.
    requestAnimationFrame(() => requestAnimationFrame(() => void this.document.start()));
  }

  private onCapabilities(before: SessionState): void {
    const { edit } = this.store.get().capabilities;
    if (edit) this.document.granted();
    else if (before.capabilities.edit) void this.document.demoted(before.epoch ?? this.lastEpoch);
  }

  private onFrame(frame: Frame): void {
    this.store.hold();
    if (frame.kind === FRAME.buffers) {
      this.buffers = splitPayload(frame.payload, (frame.header as unknown as ChangesHeader).sizes);
    } else if (frame.kind === FRAME.modelChanges) {
      const chunks = splitPayload(frame.payload, (frame.header as unknown as ChangesHeader).sizes);
      this.withModelsDocument((models) => models.changes(chunks));
    } else if (frame.kind === FRAME.changes) {
      const header = frame.header as unknown as ChangesHeader;
      this.document.takeChanges(splitPayload(frame.payload, header.sizes));
    } else if (frame.kind === FRAME.document) {
      const header = frame.header as unknown as DocumentHeader;
      if (header.document === "models") this.withModelsDocument((models) => models.whole(frame.payload.slice()));
      else this.document.takeDocument(frame.payload.slice(), header.history_id ?? "");
    }
  }

  /** Its code loads with its first frame; nobody who gets models as events ever loads it. */
  private withModelsDocument(then: (models: ModelsDocument) => void): void {
    this.modelsDocument ??= import("../widgets/models_document").then((module) => new module.ModelsDocument(this.models));
    this.modelsDocument.then(then).catch((error: unknown) => {
      this.modelsDocument = null;
      this.notice("bar", { code: "widgets", message: String(error) });
    });
  }

  private onClosed(info: CloseInfo): "retry" | "stop" {
    this.document.lost();
    if (info.code === CLOSE_REPLACED) {
      this.notice("bar", { code: "notice", message: say("trouble.replaced") });
      return this.asNewClient();
    }
    // The host does not know this client any more: go on as a new one.
    if (info.code === CLOSE_POLICY && !this.wasReady && readKey(this.info.notebook_id)) return this.asNewClient();
    const final = info.code === CLOSE_POLICY || (info.code === CLOSE_NORMAL && info.reason !== "SHUTDOWN");
    const because = (reason: string) => info.code === CLOSE_TRY_AGAIN && info.reason === reason;
    this.store.update((state) => ({ ...state, slow: state.slow || because("TOO_SLOW"), full: because("SESSION_FULL") }));
    if (!final) return "retry";
    this.store.update((state) => ({ ...state, ended: { code: info.code, reason: info.reason } }));
    return "stop";
  }

  private asNewClient(): "retry" {
    this.document.newIdentity();
    dropKey(this.info.notebook_id);
    this.stream = "";
    return "retry";
  }

  /** Told only where it says something: a model that is gone, or a line that is cut, shows by itself. */
  private async writeModel(model_id: string, message: WireWrite, buffers: Uint8Array[]): Promise<Reply> {
    const reply = await this.connection.command("model", { model_id, message, buffers: [] }, undefined, buffers);
    const code = reply.error?.code;
    if (reply.error && code !== "offline" && code !== "model_not_found") this.notice("bar", reply.error);
    return reply;
  }

  private submit(chunks: readonly Uint8Array[], flush: { epoch: number } | null): Promise<Reply> {
    const epoch = flush ? flush.epoch : this.store.get().epoch;
    const header = { epoch, sizes: chunks.map((chunk) => chunk.byteLength), ...(flush ? { flush: true } : {}) };
    return this.watched(this.connection.submit(FRAME.changes, this.connection.nextId(), header, [...chunks]));
  }

  /** A line that only stands still is never closed: without this nobody would know that the host has heard nothing. */
  private watched<T>(answer: Promise<T>): Promise<T> {
    let late = false;
    const count = (by: number) => {
      this.lateAnswers += by;
      this.store.update((state) => (state.late === this.lateAnswers > 0 ? state : { ...state, late: this.lateAnswers > 0 }));
    };
    const timer = setTimeout(() => {
      late = true;
      count(1);
    }, LATE_MS);
    return answer.finally(() => {
      clearTimeout(timer);
      if (late) count(-1);
    });
  }

  /** Without the document nothing can be submitted: what is typed meanwhile waits as long, and as visibly, as what the host does not answer. */
  private waitForDocument(): void {
    if (this.stopWaiting !== null) return;
    void this.watched(new Promise<void>((resolve) => (this.stopWaiting = resolve)));
  }

  private endWait(): void {
    this.stopWaiting?.();
    this.stopWaiting = null;
  }

  private documentIsReady(): void {
    this.endWait();
    this.store.update((state) => ({ ...state, documentReady: true, notices: state.notices.filter(({ error }) => error.code !== DOCUMENT_UNAVAILABLE) }));
  }

  private refused(fresh: Draft[], reply: Reply | null): void {
    if (fresh.length > 0) this.setDrafts(mergeDrafts(this.store.get().drafts, fresh));
    const code = reply?.error?.code;
    if (reply?.error && code !== "stale_epoch" && code !== "read_only") this.notice("bar", reply.error);
  }

  private onUnsent(unsent: boolean): void {
    this.store.update((state) => (state.unsent === unsent ? state : { ...state, unsent }));
    if (unsent && !this.document.isReady) this.waitForDocument();
    if (!unsent) {
      this.endWait();
      if (this.keepTimer !== null) clearTimeout(this.keepTimer);
      this.keepTimer = null;
      if (this.keptAs !== null) storeUnsent(this.info.notebook_id, this.keptAs, []);
      this.keptAs = null;
    } else this.keepTimer ??= setTimeout(() => this.keepOn(), KEEP_AFTER_MS);
  }

  private keepOn(): void {
    this.keepTimer = null;
    this.keepUnsent();
    if (this.document.hasUnsent) this.keepTimer = setTimeout(() => this.keepOn(), KEEP_AFTER_MS);
  }

  /** A copy of what is on its way, for the case that this tab ends before it arrives. */
  private keepUnsent(): void {
    const { notebook, clientId } = this.store.get();
    const confirmed = this.document.confirmedNotebook();
    if (!notebook || !confirmed || clientId === null) return;
    this.keptAs = clientId;
    storeUnsent(this.info.notebook_id, clientId, differences(notebook, confirmed, new Date().toISOString()));
  }

  private forgetArrivedDrafts(): void {
    const { drafts, notebook } = this.store.get();
    if (!notebook || drafts.length === 0) return;
    const left = withoutArrived(drafts, notebook);
    if (left.length !== drafts.length) this.setDrafts(left);
  }

  private documentFailed(error: unknown): void {
    this.endWait();
    this.notice("bar", {
      code: DOCUMENT_UNAVAILABLE,
      message: say("trouble.engine", { why: error instanceof Error ? error.message : String(error) }),
      hint: say("trouble.engine_hint"),
    });
  }
}
