import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SignOfLife } from "../src/wire/sign_of_life";

describe("a line that says nothing", () => {
  let asked = 0;
  const told: boolean[] = [];
  let life: SignOfLife;
  beforeEach(() => {
    vi.useFakeTimers();
    asked = 0;
    told.length = 0;
    life = new SignOfLife(
      () => (asked += 1),
      (silent) => told.push(silent),
    );
  });
  afterEach(() => {
    life.end();
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("is asked once when it has been quiet, and never while something comes", () => {
    for (let at = 0; at < 20; at += 1) {
      life.heard();
      vi.advanceTimersByTime(10_000);
    }
    expect(asked).toBe(0);
    vi.advanceTimersByTime(16_000);
    expect([asked, told]).toEqual([1, []]);
    life.heard();
    vi.advanceTimersByTime(24_000);
    expect([asked, told]).toEqual([1, []]);
  });

  it("is told when no answer comes, and that it is over with whatever comes next", () => {
    life.heard();
    vi.advanceTimersByTime(29_900);
    expect([asked, told]).toEqual([1, []]);
    vi.advanceTimersByTime(60_000);
    expect([asked, told]).toEqual([1, [true]]);
    life.heard();
    expect(told).toEqual([true, false]);
    vi.advanceTimersByTime(25_000);
    expect(asked).toBe(2);
  });

  it("is nobody's matter once there is another line, and nothing is asked in a hidden tab", () => {
    life.heard();
    vi.advanceTimersByTime(60_000);
    life.end();
    expect(told).toEqual([true, false]);
    vi.advanceTimersByTime(60_000);
    expect([asked, told]).toEqual([1, [true, false]]);
    vi.stubGlobal("document", { hidden: true });
    life.heard();
    vi.advanceTimersByTime(600_000);
    expect(asked).toBe(1);
    vi.stubGlobal("document", { hidden: false });
    vi.advanceTimersByTime(25_000);
    expect(asked).toBe(2);
  });
});
