// Everything random in a schedule comes from its seed.
export class Random {
  private state: number;
  constructor(seed: number) {
    this.state = seed >>> 0;
  }
  /** mulberry32. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }
  below(n: number): number {
    return this.next() % n;
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
  /** One of `[weight, value]`. */
  weighed<T>(choices: readonly (readonly [number, T])[]): T {
    let at = this.below(choices.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, value] of choices) {
      if (at < weight) return value;
      at -= weight;
    }
    throw new Error('no choice');
  }
}

/**
 * The n-th token: one character that no other insertion of the schedule uses, so that whatever happens to a text, each insertion in it is there,
 * gone or doubled, and never half. Every other one takes two UTF-16 units, so that nobody gets away with counting those.
 */
export function token(n: number): string {
  return String.fromCodePoint(n % 2 === 0 ? 0x4e00 + n / 2 : 0x20000 + (n - 1) / 2);
}
