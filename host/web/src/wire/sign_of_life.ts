/** Nothing has come for so long: the host is asked for a sign of life. */
const QUIET_MS = 25_000;
/** How long its answer may take before this tab says so. */
const ANSWER_MS = 5000;
/** A page that was busy finds its timers before what has arrived meanwhile. */
const GRACE_MS = 300;

/**
 * Notices a line that stands still and is not closed, also for who only reads. Where things happen it costs nothing, on an idle line one tiny
 * frame in QUIET_MS, in a hidden tab none.
 */
export class SignOfLife {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private heardAt = 0;
  private asked = false;
  private silent = false;

  constructor(
    private readonly ask: () => void,
    private readonly told: (silent: boolean) => void,
  ) {}

  /** Something came. */
  heard(): void {
    this.heardAt = performance.now();
    if (this.asked) this.end();
    if (this.timer === null) this.wait(QUIET_MS, () => this.quiet());
  }

  /** There is no line to listen to any more. */
  end(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.asked = false;
    this.tell(false);
  }

  private quiet(): void {
    const left = this.heardAt + QUIET_MS - performance.now();
    if (left > 0) return this.wait(left, () => this.quiet());
    if (typeof document !== "undefined" && document.hidden) return this.wait(QUIET_MS, () => this.quiet());
    this.asked = true;
    this.ask();
    this.wait(ANSWER_MS, () => this.wait(GRACE_MS, () => this.tell(true)));
  }

  private wait(ms: number, then: () => void): void {
    this.timer = setTimeout(then, ms);
  }

  private tell(silent: boolean): void {
    if (this.silent === silent) return;
    this.silent = silent;
    this.told(silent);
  }
}
