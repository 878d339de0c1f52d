import type { NotebookState } from "../store/session_state";
import type { Reply } from "../wire/types";
import { loadAutomerge, type Automerge } from "./automerge";
import { applyEdit, type Edit } from "./edits";
import { Replica, type Overtaken, type TextChanges } from "./replica";
import type { Splice } from "./text";

export interface TextListener {
  /** `origin` is what the editor gave with its edit, so that it can skip its own. `splices` null: take the whole text. */
  (splices: Splice[] | null, text: string, origin: unknown): void;
}

/** What the document needs from the session around it. */
export interface DocumentHost {
  notebook(): NotebookState | null;
  publish(notebook: NotebookState): void;
  /** Submits own changes: under the current grant, or as the one flush of a revoked one. */
  submit(chunks: readonly Uint8Array[], flush: { epoch: number } | null): Promise<Reply>;
  canEdit(): boolean;
  /** Typing that could not be merged: `mine` is what the person saw, `theirs` what the host has. */
  refused(mine: NotebookState, theirs: NotebookState, reply: Reply | null): void;
  /** Typing that went with a cell that others took away. */
  overtaken(typing: Overtaken[]): void;
  unsent(unsent: boolean): void;
  ready(): void;
  /** Automerge could not be loaded. */
  failed(error: unknown): void;
}

/**
 * The notebook as this tab edits it. Before Automerge is there, edits are applied to the plain cells and kept; then they are replayed on the
 * document as if they had been made on it.
 */
export class NotebookDocument {
  private automerge: Automerge | null = null;
  private replica: Replica | null = null;
  private actor = "";
  private historyId = "";
  private bytes: Uint8Array | null = null;
  private early: Uint8Array[][] = [];
  private pendingEdits: Edit[] = [];
  private interimBase: NotebookState | null = null;
  private flight: readonly Uint8Array[] | null = null;
  private flushing = false;
  /** The host can record nothing just now: what is typed waits here, and is not taken back. */
  private held = false;
  private readonly listeners = new Map<string, Set<TextListener>>();
  private settled: ((sent: boolean) => void)[] = [];

  constructor(
    private readonly host: DocumentHost,
    private readonly loader: () => Promise<Automerge> = loadAutomerge,
  ) {}

  /** Loads Automerge, once, and again where that failed; call it after the first cells are painted. */
  async start(): Promise<void> {
    if (this.automerge) return;
    try {
      this.automerge = await this.loader();
      this.tryReady();
    } catch (error) {
      this.host.failed(error);
    }
  }

  get isReady(): boolean {
    return this.replica !== null;
  }

  get history(): string {
    return this.historyId;
  }

  /** What to tell the host after a reconnect, so that it sends only what is missing. */
  knownHeads(): string[] {
    return this.replica?.confirmedHeads() ?? [];
  }

  /** A first frame has come: who this tab writes as, and which history the host holds. */
  connected(actor: string, historyId: string, snapshot: NotebookState | null): void {
    // Only the first snapshot is what the page shows already.
    const shown = this.historyId === "";
    if (!shown && this.historyId !== historyId) this.forget();
    this.historyId = historyId;
    this.actor = actor;
    this.flight = null;
    this.held = false;
    if (this.replica) {
      this.replica.setActor(actor);
      this.pump();
      return;
    }
    // Who has no document yet is sent the whole of it on each line: what an earlier one brought is older than the cells that are shown.
    this.bytes = null;
    this.early = [];
    if (snapshot && shown) this.interimBase = snapshot;
    else if (snapshot) this.rebase(snapshot);
  }

  /** The cells as the host has them, perhaps anew: what was typed before the document came is put on them. */
  private rebase(snapshot: NotebookState): void {
    const { edits, lost } = this.fitting(snapshot);
    this.interimBase = snapshot;
    this.pendingEdits = edits;
    const notebook = edits.reduce(applyEdit, snapshot);
    this.host.publish(notebook);
    for (const id of this.listeners.keys()) this.tell(id, null, notebook.cells[id]?.source ?? "", undefined);
    if (lost.length > 0) this.host.overtaken(lost);
    this.reportUnsent();
  }

  /** What the person sees: of the cells that bridge the time until the document is here, the page may show a newer snapshot already. */
  private seen(): NotebookState | null {
    return this.replica || !this.interimBase ? this.host.notebook() : this.pendingEdits.reduce(applyEdit, this.interimBase);
  }

  /** This tab goes on as somebody else: what is not confirmed cannot be sent under the new name. */
  newIdentity(): void {
    if (this.hasUnsent) this.giveUp(null, this.actor);
  }

  lost(): void {
    this.flight = null;
  }

  takeDocument(bytes: Uint8Array, historyId: string): void {
    if (this.historyId && historyId && historyId !== this.historyId) {
      this.forget();
      this.historyId = historyId;
    }
    if (!this.replica) {
      // Changes that came before stay: what the bytes already hold is ignored when it is applied again.
      this.bytes = bytes;
      this.tryReady();
      return;
    }
    const mine = this.host.notebook();
    const overtaken = this.replica.replace(bytes, this.actor);
    this.republish();
    const theirs = this.host.notebook();
    if (overtaken === null && mine && theirs) this.host.refused(mine, theirs, null);
    if (overtaken && overtaken.length > 0) this.host.overtaken(overtaken);
    this.reportUnsent();
    this.pump();
  }

  takeChanges(chunks: Uint8Array[]): void {
    if (!this.replica) {
      this.early.push(chunks);
      return;
    }
    const overtaken = this.replica.applyRemote(chunks);
    this.publishTouched(undefined);
    if (overtaken.length > 0) this.host.overtaken(overtaken);
  }

  /** Applies edits at once and sends them when it may. */
  edit(edits: Edit[], origin?: unknown): void {
    if (edits.length === 0) return;
    if (this.replica) {
      if (!this.replica.edit(edits)) return;
      this.publishTouched(origin);
      this.reportUnsent();
      this.pump();
      return;
    }
    const before = this.host.notebook();
    if (!before) return;
    // Where no snapshot told it, this is the text that the edits are of.
    this.interimBase ??= before;
    this.pendingEdits.push(...edits);
    const after = edits.reduce(applyEdit, before);
    this.host.publish(after);
    this.reportUnsent();
    for (const edit of edits) {
      if (edit.type !== "splice") continue;
      this.tell(edit.cell_id, [edit], after.cells[edit.cell_id]?.source ?? "", origin);
    }
  }

  cursorAt(cellId: string, index: number): string | null {
    return this.replica?.cursorAt(cellId, index) ?? null;
  }

  indexOf(cellId: string, cursor: string): number | null {
    return this.replica?.indexOf(cellId, cursor) ?? null;
  }

  get hasUnsent(): boolean {
    return this.pendingEdits.length > 0 || (this.replica?.unsent.length ?? 0) > 0;
  }

  /** The host's side of the notebook while something is unsent; null when all has arrived. */
  confirmedNotebook(): NotebookState | null {
    if (!this.hasUnsent) return null;
    return this.replica ? this.replica.confirmedNotebook() : this.interimBase;
  }

  get isHeld(): boolean {
    return this.held;
  }

  /** The host can record again: what waited goes. */
  release(): void {
    if (!this.held) return;
    this.held = false;
    this.pump();
  }

  /** Resolves when everything typed so far is with the host (true), was refused, or waits for a host that cannot record (false). */
  settle(): Promise<boolean> {
    if (!this.hasUnsent) return Promise.resolve(true);
    if (this.held) return Promise.resolve(false);
    return new Promise((resolve) => this.settled.push(resolve));
  }

  /** The pen is gone: the one flush under the old epoch, then what is left becomes a draft. */
  async demoted(epoch: number | null): Promise<void> {
    if (!this.hasUnsent || this.flushing) return;
    if (!this.replica || epoch === null) {
      this.giveUp(null, this.actor);
      return;
    }
    this.flushing = true;
    const batch = [...this.replica.unsent];
    const reply = await this.host.submit(batch, { epoch });
    this.flushing = false;
    if (reply.ok) {
      this.confirm(batch);
      this.pump();
    } else if (reply.error?.code !== "offline" && this.hasUnsent) this.giveUp(reply, freshActor(reply) ?? this.actor);
  }

  /** The pen is here (again): what waits may go. */
  granted(): void {
    this.pump();
  }

  onText(cellId: string, listener: TextListener): () => void {
    const set = this.listeners.get(cellId) ?? new Set();
    this.listeners.set(cellId, set.add(listener));
    return () => {
      set.delete(listener);
      if (set.size === 0) this.listeners.delete(cellId);
    };
  }

  private tryReady(): void {
    if (!this.automerge || !this.bytes || this.replica) return;
    this.replica = new Replica(this.automerge, this.bytes, this.actor);
    const { edits, lost } = this.fitting(this.replica.notebook());
    // Before others' changes: its offsets are of the text without them.
    if (edits.length > 0) this.replica.edit(edits);
    for (const chunks of this.early) lost.push(...this.replica.applyRemote(chunks));
    this.bytes = null;
    this.early = [];
    this.pendingEdits = [];
    this.interimBase = null;
    this.republish();
    this.host.ready();
    if (lost.length > 0) this.host.overtaken(lost);
    this.reportUnsent();
    this.pump();
  }

  /** The early edits that `document` can take. Offsets in a cell whose text is not the one they were made in mean nothing: that typing is lost. */
  private fitting(document: NotebookState): { edits: Edit[]; lost: Overtaken[] } {
    const typed = new Set(this.pendingEdits.flatMap((edit) => (edit.type === "splice" ? [edit.cell_id] : [])));
    const mine = this.interimBase && this.pendingEdits.reduce(applyEdit, this.interimBase);
    const lost = [...typed].flatMap((id): Overtaken[] => {
      const base = this.interimBase?.cells[id]?.source;
      const text = mine?.cells[id]?.source;
      return base === undefined || text === undefined || base === document.cells[id]?.source ? [] : [{ cell_id: id, base, text }];
    });
    const gone = new Set(lost.map((one) => one.cell_id));
    return { edits: this.pendingEdits.filter((edit) => edit.type !== "splice" || !gone.has(edit.cell_id)), lost };
  }

  /** One submission at a time: what is typed meanwhile travels together in the next one. */
  private pump(): void {
    const replica = this.replica;
    if (!replica || this.flight || this.flushing || this.held || replica.unsent.length === 0 || !this.host.canEdit()) return;
    const batch = [...replica.unsent];
    this.flight = batch;
    void this.host.submit(batch, null).then((reply) => {
      const current = this.flight === batch;
      if (current) this.flight = null;
      if (reply.ok) {
        this.confirm(batch);
        this.pump();
      } else if (current && !this.flushing && reply.error?.code === "journal_failed") this.hold();
      else if (current && !this.flushing && reply.error?.code !== "offline") this.giveUp(reply, freshActor(reply) ?? this.actor);
    });
  }

  /** Sent again, the very same changes count once, whatever became of them. */
  private hold(): void {
    this.held = true;
    this.tellSettled(false);
  }

  private tellSettled(sent: boolean): void {
    const waiting = this.settled;
    this.settled = [];
    for (const resolve of waiting) resolve(sent);
  }

  /** By identity: what was rolled back meanwhile is not confirmed by a late answer. */
  private confirm(batch: readonly Uint8Array[]): void {
    this.replica?.confirm(batch);
    this.reportUnsent();
  }

  /** Back to the host's text; the difference goes to the drafts. */
  private giveUp(reply: Reply | null, actor: string): void {
    const mine = this.seen();
    this.actor = actor;
    this.flight = null;
    this.held = false;
    this.pendingEdits = [];
    if (this.replica) {
      this.replica.rollback(actor);
      this.republish();
    } else if (this.interimBase) {
      this.host.publish(this.interimBase);
      for (const id of this.listeners.keys()) this.tell(id, null, this.interimBase.cells[id]?.source ?? "", undefined);
    }
    const theirs = this.host.notebook();
    if (mine && theirs) this.host.refused(mine, theirs, reply);
    this.tellSettled(false);
    this.reportUnsent();
  }

  /** The host holds another history now: nothing of the old document may ever be synced into it. */
  private forget(): void {
    if (this.hasUnsent) this.giveUp(null, this.actor);
    this.replica = null;
    this.bytes = null;
    this.early = [];
    this.interimBase = null;
  }

  private republish(): void {
    if (!this.replica) return;
    const notebook = this.replica.notebook();
    this.host.publish(notebook);
    for (const id of this.listeners.keys()) this.tell(id, null, notebook.cells[id]?.source ?? "", undefined);
  }

  private publishTouched(origin: unknown): void {
    const before = this.host.notebook();
    if (!this.replica || !before) return;
    const { notebook, texts } = this.replica.refresh(before);
    this.host.publish(notebook);
    this.tellAll(texts, notebook, origin);
  }

  private tellAll(texts: TextChanges, notebook: NotebookState, origin: unknown): void {
    for (const [id, splices] of texts) this.tell(id, splices, notebook.cells[id]?.source ?? "", origin);
  }

  private tell(id: string, splices: Splice[] | null, text: string, origin: unknown): void {
    for (const listener of [...(this.listeners.get(id) ?? [])]) listener(splices, text, origin);
  }

  private reportUnsent(): void {
    const unsent = this.hasUnsent;
    this.host.unsent(unsent);
    if (!unsent) this.tellSettled(true);
  }
}

/** A refusal brings the next actor to write as. */
function freshActor(reply: Reply): string | null {
  const details = reply.error?.details as { actor?: unknown } | undefined;
  const actor = (reply as { actor?: unknown }).actor ?? (reply.error as { actor?: unknown } | undefined)?.actor ?? details?.actor;
  return typeof actor === "string" && actor ? actor : null;
}
