import { describe, expect, it } from "vitest";
import { DOUBLE_MS, ShortcutReader, type KeyPress } from "../src/notebook/shortcuts";

const press = (key: string, with_: Partial<KeyPress> = {}): KeyPress => ({ key, ctrl: false, meta: false, shift: false, alt: false, ...with_ });

describe("command mode keys", () => {
  it("are Jupyter's", () => {
    const reader = new ShortcutReader();
    const read = (key: string, with_?: Partial<KeyPress>) => reader.command(press(key, with_), 0);
    expect(["a", "b", "z", "m", "y", "j", "k", "ArrowUp", "ArrowDown", "Enter"].map((key) => read(key))).toEqual([
      "insert-above", "insert-below", "undo-delete", "to-markdown", "to-code", "next", "previous", "previous", "next", "edit",
    ]);
    expect(read("Enter", { shift: true })).toBe("run-advance");
    expect(read("Enter", { ctrl: true })).toBe("run-stay");
    expect(read("Enter", { alt: true })).toBe("run-insert");
    expect(read("s", { ctrl: true })).toBe("save");
    expect(read("S", { meta: true })).toBe("save");
    expect([read("z", { ctrl: true }), read("Z", { meta: true, shift: true }), read("y", { ctrl: true }), read("a", { ctrl: true })]).toEqual(["undo", "redo", "redo", "select-all"]);
  });

  it("take two presses in time for what cannot be taken lightly", () => {
    const reader = new ShortcutReader();
    expect(reader.command(press("d"), 0)).toBeNull();
    expect(reader.command(press("d"), DOUBLE_MS)).toBe("delete");
    expect(reader.command(press("d"), 5000)).toBeNull();
    expect(reader.command(press("d"), 5001 + DOUBLE_MS)).toBeNull();
    expect(reader.command(press("0"), 9000)).toBeNull();
    expect(reader.command(press("i"), 9001)).toBeNull();
    expect(reader.command(press("i"), 9002)).toBe("interrupt");
    expect(reader.command(press("0"), 9003)).toBeNull();
    expect(reader.command(press("0"), 9004)).toBe("restart");
  });

  it("leave the browser its own combinations", () => {
    const reader = new ShortcutReader();
    expect(reader.command(press("p", { ctrl: true }), 0)).toBeNull();
    expect(reader.command(press("m", { meta: true }), 0)).toBeNull();
    expect(reader.anywhere(press("Enter"))).toBeNull();
    expect(reader.anywhere(press("d"))).toBeNull();
  });
});
