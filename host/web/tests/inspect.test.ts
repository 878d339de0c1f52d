import { EditorState } from "@codemirror/state";
import { describe, expect, it } from "vitest";
import { ask } from "../src/notebook/inspect";
import type { Session } from "../src/session/session";

describe("what the kernel says of a name", () => {
  const state = EditorState.create({ doc: "zip" });
  const session = (reply: unknown) => ({ store: { get: () => ({ kernel: { state: "idle" }, phase: "open" }) }, command: async () => reply }) as unknown as Session;

  it("is its text, or nothing", async () => {
    expect(await ask(session({ ok: true, content: { found: true, data: { "text/plain": "\u001b[31mzip\u001b[39m" } } }), state, 3)).toBe("zip");
    expect(await ask(session({ ok: true, content: { found: false } }), state, 3)).toBeNull();
    expect(await ask(session({ ok: false, error: { code: "kernel_timeout" } }), state, 3)).toBeNull();
  });

  it("is no answer at all when something newer was asked: nobody is told that there is nothing", async () => {
    expect(await ask(session({ ok: false, error: { code: "cancelled" } }), state, 3)).toBeUndefined();
  });
});
