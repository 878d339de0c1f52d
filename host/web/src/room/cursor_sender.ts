import type { Session } from "../session/session";

/** At most so often: the host shows positions every 50 ms and refuses a flood. */
const EVERY_MS = 100;

interface Place {
  cell_id?: string;
  anchor?: string;
  head?: string;
  pointer?: { x: number; y: number };
}

/** Tells the others where in a cell this person is: the newest place only, and only while there are others. */
export class CursorSender {
  private next: (() => Place) | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private sent = "{}";
  /** Nobody was there to be told; whoever comes is. */
  private alone: (() => Place) | null = null;
  private listening = false;

  constructor(private readonly session: Session) {}

  /** The selection in an editor; by the offsets of its text. */
  select(cellId: string, anchor: number, head: number): void {
    this.plan(() => {
      const { document } = this.session;
      const to = document.cursorAt(cellId, head);
      const from = anchor === head ? to : document.cursorAt(cellId, anchor);
      return to === null || from === null ? { cell_id: cellId } : { cell_id: cellId, anchor: from, head: to };
    });
  }

  /** A place in a cell, in parts of its width and height. */
  point(cellId: string, x: number, y: number): void {
    const within = (part: number) => Math.min(1, Math.max(0, part));
    this.plan(() => ({ cell_id: cellId, pointer: { x: within(x), y: within(y) } }));
  }

  clear(): void {
    this.plan(() => ({}));
  }

  private plan(place: () => Place): void {
    this.listen();
    this.alone = null;
    this.next = place;
    if (this.timer === null) this.send();
  }

  private listen(): void {
    if (this.listening) return;
    this.listening = true;
    this.session.store.subscribe(() => {
      if (this.alone && this.session.store.get().room.members.length > 1) this.plan(this.alone);
    });
  }

  private send(): void {
    this.timer = null;
    const { phase, room } = this.session.store.get();
    const planned = this.next;
    this.next = null;
    if (planned === null || phase !== "open") return;
    if (room.members.length < 2) {
      this.alone = planned;
      return;
    }
    const place = planned();
    const text = JSON.stringify(place);
    // Nobody is told twice, but a pointing is an event of its own.
    if (text === this.sent && !place.pointer) return;
    this.sent = text;
    void this.session.command("cursor", place, "read");
    this.timer = setTimeout(() => this.send(), EVERY_MS);
  }
}
