import { applyDraft } from "../document/drafts";
import { diffText } from "../document/text";
import { say } from "../i18n";
import type { Draft } from "../store/session_state";
import { newCellId } from "../ui/ids";
import type { Reply, RequestId, WireError } from "../wire/types";
import type { Session } from "./session";

/** What a person can ask of a session. Each reports the host's refusal where the person looked. */
export class Actions {
  constructor(private readonly session: Session) {}

  async execute(cellIds: string[]): Promise<void> {
    const runnable = cellIds.filter((id) => this.session.store.get().notebook?.cells[id]?.cell_type === "code");
    if (runnable.length === 0) return;
    const place = `cell:${runnable[0]!}` as const;
    this.session.clearNotices(place);
    if (this.session.store.get().phase !== "open") {
      this.session.notice(place, { code: "offline", message: say("trouble.offline_run"), hint: say("trouble.reconnects") });
      return;
    }
    // A run must see the text on the screen, so it waits until the host has it.
    if (!(await this.session.document.settle())) {
      if (this.session.document.isHeld) this.session.notice(place, { code: "notice", message: say("trouble.journal") });
      return;
    }
    this.report(place, await this.session.command("execute", { cell_ids: runnable }));
  }

  async interrupt(): Promise<void> {
    this.report("bar", await this.session.command("interrupt", {}));
  }

  /** `all`: and runs all cells in the new one. */
  async restart(all = false): Promise<void> {
    // What is run is what is on the screen.
    if (all && !(await this.session.document.settle())) return;
    this.report("bar", await this.session.command("restart", all ? { run_all: true } : {}));
  }

  async shutDown(): Promise<void> {
    this.report("bar", await this.session.command("shutdown_kernel", {}));
  }

  /** True when the file is written. */
  async save(options: { path?: string; overwrite?: boolean } = {}): Promise<boolean> {
    // What waits for a host that cannot record keeps nobody from saving what it has.
    if (!(await this.session.document.settle()) && !this.session.document.isHeld) return false;
    this.session.clearNotices("bar");
    const reply = await this.session.command("save", options);
    // A failed save of the notebook's own file is a state that everybody sees; only what it does not tell is told here.
    if (reply.ok || options.path !== undefined || this.session.store.get().save?.state !== "failed") this.report("bar", reply);
    return reply.ok;
  }

  /** Settles a cell that was changed here and in the file. */
  async resolve(cellId: string, choice: "ours" | "theirs" | "both"): Promise<void> {
    if (!(await this.session.document.settle())) return;
    this.report("bar", await this.session.command("resolve", { choices: [{ cell_id: cellId, choice }] }));
  }

  /** Makes the notebook, or one cell, what it was in a version. Null when it is done; else why not. */
  async restore(version: string, cellId?: string): Promise<WireError | null> {
    if (!(await this.session.document.settle())) return { code: "offline", message: say("trouble.offline_run"), hint: say("trouble.reconnects") };
    const reply = await this.session.command("restore", { version, ...(cellId === undefined ? {} : { cell_id: cellId }) });
    return reply.ok ? null : (reply.error ?? { code: "failed", message: say("history.failed") });
  }

  /** Takes back this person's newest edit, or puts back what that took: nobody else's, whoever has edited since. */
  async undo(which: "undo" | "redo"): Promise<void> {
    if (!(await this.session.document.settle())) return;
    this.session.clearNotices("bar");
    const reply = await this.session.command(which, {});
    if (reply.ok && reply.changes === 0) this.session.notice("bar", { code: "notice", message: say(which === "undo" ? "edit.nothing_to_undo" : "edit.nothing_to_redo") });
    this.report("bar", reply);
  }

  /** Approves what the notebook asks for as it stands on this screen. */
  async trust(): Promise<void> {
    if (!(await this.session.document.settle())) return;
    this.report("bar", await this.session.command("trust", { heads: this.session.document.knownHeads() }));
  }

  async clearOutputs(): Promise<void> {
    this.report("bar", await this.session.command("clear_outputs", {}));
  }

  /** Keeps what the widgets show in the notebook, for when there is no kernel. Without one there is nothing newer to keep: what is kept stays. */
  async saveWidgets(): Promise<void> {
    if (!(await this.session.document.settle())) return;
    const { savedState, SAVED_AT } = await import("../widgets/saved");
    const value = savedState(this.session.models.list());
    if (value === null) {
      this.session.notice("bar", { code: "notice", message: say("run.no_widgets") });
      return;
    }
    this.report("bar", await this.session.command("transaction", { changes: [{ type: "set_metadata", cell_id: null, path: SAVED_AT, value }] }));
  }

  async takeover(reason = ""): Promise<void> {
    const { room, policy } = this.session.store.get();
    this.session.clearNotices("banner");
    // Under an exclusive policy the room's epoch is what the person saw: of two who press at once, one is told who won.
    const reply = await this.session.command("takeover", { ...(policy.multi_editor ? {} : { if_epoch: room.epoch }), ...(reason ? { reason } : {}) }, "read");
    if (!reply.ok) {
      this.report("banner", reply);
      return;
    }
    const asked = reply as unknown as { asked?: { label?: string } | string; request_id?: RequestId; deadline_ms?: number };
    if (asked.request_id === undefined) {
      this.session.granted(reply);
      return;
    }
    const name = typeof asked.asked === "string" ? asked.asked : (asked.asked?.label ?? say("app.somebody"));
    const asking = { request_id: asked.request_id, asked: name, until: Date.now() + (asked.deadline_ms ?? 0) };
    this.session.store.update((state) => ({ ...state, asking, policyAsks: true }));
  }

  /** Uses one of the policy's actions, on somebody or in general. */
  async act(verb: string, target?: string): Promise<void> {
    this.report("bar", await this.session.command("act", { verb, ...(target ? { target } : {}) }, "read"));
  }

  /** Gives the pen back. */
  async release(): Promise<void> {
    if (!(await this.session.document.settle())) return;
    this.report("bar", await this.session.command("release", {}));
  }

  async withdraw(): Promise<void> {
    const asking = this.session.store.get().asking;
    if (!asking) return;
    this.session.store.update((state) => ({ ...state, asking: null }));
    this.report("banner", await this.session.command("withdraw", { request_id: asking.request_id }, "read"));
  }

  /** An ask whose time is over needs no answer any more. */
  dropAsk(requestId: RequestId): void {
    this.session.store.update((state) => ({ ...state, asks: state.asks.filter((ask) => ask.request_id !== requestId) }));
  }

  async answer(requestId: RequestId, allow: boolean): Promise<void> {
    this.dropAsk(requestId);
    this.report("bar", await this.session.command("answer", { request_id: requestId, allow }, "read"));
  }

  async input(requestId: RequestId, value: string): Promise<boolean> {
    const reply = await this.session.command("input", { request_id: requestId, value }, "interact");
    if (reply.ok) this.session.store.update((state) => ({ ...state, inputs: state.inputs.filter((input) => input.request_id !== requestId) }));
    else this.report("bar", reply);
    return reply.ok;
  }

  /** Tells the others where this person is. Nobody needs to hear that it failed. */
  focus(cellId: string): void {
    void this.session.command("focus", { cell_id: cellId }, "read");
  }

  /** Asks everybody here to come to a cell. */
  async gather(cellId: string): Promise<void> {
    this.report("bar", await this.session.command("gather", { cell_id: cellId }));
  }

  /** A call to come somewhere was answered, or stands no longer. */
  dropCall(call: { cell_id: string }): void {
    this.session.store.update((state) => (state.gathering === call ? { ...state, gathering: null } : state));
  }

  /** Formats code cells with the kernel's formatter; a cell that was changed meanwhile stays as it is. */
  async format(cellIds: string[]): Promise<void> {
    this.session.clearNotices("bar");
    for (const id of cellIds) {
      const before = this.session.store.get().notebook?.cells[id];
      if (before?.cell_type !== "code" || before.source.trim() === "") continue;
      const reply = await this.session.command("format", { code: before.source });
      if (!reply.ok) return this.report("bar", reply.error?.code === "unsupported" ? { ...reply, error: { code: "unsupported", message: say("format.unsupported") } } : reply);
      const { code, error, formatter } = (reply as unknown as { content: { code?: string; error?: string; formatter?: string } }).content;
      if (code === undefined) {
        if (error === "no_formatter") return this.session.notice("bar", { code: "no_formatter", message: say("format.none"), hint: say("format.none_hint") });
        this.session.notice(`cell:${id}`, { code: "not_formatted", message: say("format.failed", { formatter: formatter ?? "", why: (error ?? "").split("\n")[0]! }) });
        continue;
      }
      this.session.clearNotices(`cell:${id}`);
      const now = this.session.store.get().notebook?.cells[id];
      const change = now?.source === before.source ? diffText(before.source, code) : null;
      if (change) this.session.document.edit([{ type: "splice", cell_id: id, ...change }]);
    }
  }

  applyDraft(draft: Draft): void {
    const cell = this.session.store.get().notebook?.cells[draft.cell_id];
    if (cell) {
      const change = diffText(cell.source, applyDraft(cell.source, draft));
      if (change) this.session.document.edit([{ type: "splice", cell_id: cell.id, ...change }]);
    } else {
      const after = this.session.store.get().notebook?.order.at(-1) ?? null;
      this.session.document.edit([{ type: "create_cell", cell_id: newCellId(), cell_type: "code", source: draft.text, after }]);
    }
    this.discardDraft(draft);
  }

  discardDraft(draft: Draft): void {
    this.session.setDrafts(this.session.store.get().drafts.filter((known) => known !== draft));
  }

  private report(place: "bar" | "banner" | `cell:${string}`, reply: Reply): void {
    if (reply.ok || !reply.error) return;
    // Where the control is disabled by now, the state of the pen says it all.
    const capability = reply.error.code === "read_only" || reply.error.code === "stale_epoch";
    if (capability && place !== "banner" && !this.session.store.get().capabilities.edit) return;
    this.session.notice(place, reply.error);
  }
}
