// @vitest-environment happy-dom
import { act } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OpenContext, type Open } from "../src/notebook/context";
import { Troubles } from "../src/notebook/Troubles";
import { ReaderBanner } from "../src/room/ReaderBanner";
import { TakeoverAsks } from "../src/room/TakeoverAsks";
import { Members } from "../src/room/Members";
import { createStore, type Store } from "../src/store/store";
import { reduce } from "../src/store/reducer";
import { initialState, type SessionState } from "../src/store/session_state";
import { route } from "../src/ui/navigation";
import type { View } from "../src/ui/route";
import type { WireEvent } from "../src/wire/types";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

const ANN = { client_id: "ann", label: "Ann", device: "Desk" };
const ME = { client_id: "me", label: "", device: "Couch" };

const READING: Partial<SessionState> = {
  phase: "open",
  clientId: "me",
  capabilities: { edit: false, interact: true },
  room: { epoch: 3, editor: ANN, since: "2026-01-02T10:00:00Z", members: [{ ...ANN, role: "editor", state: "present" }, { ...ME, role: "interactor", state: "present" }] },
};

let root: Root;
let holder: HTMLElement;
let store: Store<SessionState>;
let done: string[];

function show(element: React.ReactNode, state: Partial<SessionState> = {}): void {
  store = createStore<SessionState>({ ...initialState("s"), ...state });
  const action = (name: string) => (...args: unknown[]) => {
    done.push([name, ...args.map((arg) => JSON.stringify(arg))].join(" "));
    return Promise.resolve(true);
  };
  // The components see a real store; what they ask of the session is written down instead of sent.
  const actions = new Proxy({}, { get: (_target, name) => action(String(name)) });
  const open = { session: { store, dismissNotice: action("dismissNotice"), retryNow: action("retryNow"), besideFile: (name: string) => name }, actions, ui: {} } as unknown as Open;
  act(() => root.render(<OpenContext.Provider value={open}>{element}</OpenContext.Provider>));
}

const set = (change: Partial<SessionState>) => act(() => store.update((state) => ({ ...state, ...change })));
const happens = (event: WireEvent) => act(() => store.update((state) => reduce(state, event)));
const part = (testId: string) => holder.querySelector<HTMLElement>(`[data-testid="${testId}"]`);
const words = (testId: string) => part(testId)?.textContent ?? "";
const press = (testId: string) => act(async () => part(testId)!.click());
const look = (view: View) => act(() => route.set({ ...route.get(), view }));

beforeEach(() => {
  holder = document.createElement("div");
  document.body.append(holder);
  root = createRoot(holder);
  done = [];
  route.set({ path: "x.ipynb", session: null, dir: "", view: "edit" });
});
afterEach(() => {
  act(() => root.unmount());
  holder.remove();
});

describe("the reader's banner", () => {
  it("says who edits and since when, that they are away, and that the pen is free", () => {
    show(<ReaderBanner />, READING);
    expect(words("reader-banner")).toMatch(/You are reading\. Ann is editing, since \d/);
    set({ room: { ...store.get().room, reserved_until: "2026-01-02T10:05:00Z" } });
    expect(words("reader-banner")).toMatch(/Ann has the pen and is away; it is kept until/);
    set({ room: { ...store.get().room, editor: null, reserved_until: null } });
    expect(words("reader-banner")).toMatch(/Nobody is editing: the pen is free/);
  });

  it("is there to read and to edit, and nowhere else", () => {
    show(<ReaderBanner />, READING);
    for (const [view, there] of [["edit", true], ["read", true], ["present", false], ["slides", false]] as const) {
      look(view);
      expect(part("reader-banner") !== null, view).toBe(there);
    }
    look("edit");
    set({ capabilities: { edit: true, interact: true } });
    expect(part("reader-banner")).toBeNull();
  });

  it("is never there in a kiosk, with or without a value", () => {
    for (const [search, there] of [["?kiosk", false], ["?kiosk=true", false], ["?kiosk=false", true], ["", true]] as const) {
      window.history.replaceState(null, "", `/${search}`);
      look("edit"); // the address is read when the page starts: here, anew
      show(<ReaderBanner />, READING);
      expect(part("reader-banner") !== null, search).toBe(there);
    }
  });

  it("takes over, or asks with a word where the policy asks", async () => {
    show(<ReaderBanner />, READING);
    expect(part("takeover-reason")).toBeNull();
    await press("takeover-button");
    expect(done).toEqual(['takeover ""']);
    set({ policyAsks: true });
    expect(words("takeover-button")).toBe("Ask for the pen");
    expect(part("takeover-reason")).not.toBeNull();
    set({ asking: { request_id: 1, asked: "Ann", until: Date.now() + 9500 } });
    expect(words("asking")).toMatch(/Asked Ann, 10 s left to answer/);
    // A free pen is nobody's to ask for.
    set({ asking: null, room: { ...store.get().room, editor: null } });
    expect(words("takeover-button")).toBe("Take over");
  });

  it("waits for the line", () => {
    show(<ReaderBanner />, { ...READING, phase: "waiting" });
    expect((part("takeover-button") as HTMLButtonElement).disabled).toBe(true);
  });
});

describe("who is asked", () => {
  const ask = (id: number) => ({ op: "takeover-request" as const, seq: null, data: { request_id: id, from: ANN, reason: "one line", deadline_ms: 60_000 } });
  const key = (code: string, more: KeyboardEventInit = { altKey: true }) => act(async () => void window.dispatchEvent(new KeyboardEvent("keydown", { code, ...more, cancelable: true, bubbles: true })));

  it("sees who asks and why, and answers by one key", async () => {
    show(<TakeoverAsks />, { ...READING, capabilities: { edit: true, interact: true } });
    happens(ask(7));
    expect(words("takeover-ask")).toMatch(/Ann asks for the pen.*one line/);
    await key("KeyY", {});
    expect(done).toEqual([]);
    await key("KeyN");
    expect(done).toEqual(["answer 7 false"]);
    happens(ask(8));
    await press("ask-deny");
    expect(done.at(-1)).toBe("answer 7 false");
  });

  it("is left alone when the ask has ended or the pen is gone", () => {
    show(<TakeoverAsks />, { ...READING, capabilities: { edit: true, interact: true } });
    happens(ask(7));
    happens({ op: "takeover-answer", seq: null, data: { request_id: 7, allowed: false } });
    expect(part("takeover-ask")).toBeNull();
    happens(ask(8));
    happens({ op: "consumer-capabilities", seq: null, data: { consumer_capabilities: { edit: false, interact: true } } });
    expect(part("takeover-ask")).toBeNull();
  });
});

describe("trouble", () => {
  const failed = (code: string) => ({ op: "save-state" as const, seq: null, data: { state: "failed" as const, path: "x.ipynb", error: { code, message: `the host says ${code}` } } });

  it("says nothing while all is well", () => {
    show(<Troubles />, { ...READING });
    expect(holder.textContent).toBe("");
  });

  it("says of each failed save what is safe, with the host's own words", () => {
    show(<Troubles />, { ...READING, capabilities: { edit: true, interact: true } });
    for (const [code, said] of [["disk_full", /disk of the host is full.*safe in its journal/], ["permission_denied", /may not write this file.*another name/], ["journal_failed", /cannot record edits/], ["io_error", /safe with the host, which tries again/]] as const) {
      happens(failed(code));
      expect(words("save-trouble"), code).toMatch(said);
      expect(words("save-trouble")).toContain(`the host says ${code}`);
    }
    happens({ op: "save-state", seq: null, data: { state: "saved", path: "x.ipynb" } });
    expect(part("save-trouble")).toBeNull();
  });

  it("offers in a conflict what the host offers, to whoever edits", async () => {
    show(<Troubles />, { ...READING });
    happens({ op: "conflict", seq: null, data: { path: "a/x.ipynb", choices: ["overwrite"] } });
    expect(words("conflict")).toMatch(/x\.ipynb was changed outside.*Whoever edits decides/);
    expect(part("conflict-overwrite")).toBeNull();
    set({ capabilities: { edit: true, interact: true } });
    expect(part("save-as")).toBeNull();
    await press("conflict-overwrite");
    expect(done).toEqual(['save {"overwrite":true}']);
    happens({ op: "save-state", seq: null, data: { state: "saved", path: "a/x.ipynb" } });
    expect(part("conflict")).toBeNull();
  });

  it("names what needs approval", async () => {
    show(<Troubles />, { ...READING, capabilities: { edit: true, interact: true } });
    happens({ op: "trust-state", seq: null, data: { needs_approval: true, dependencies: ["uv numpy"] } });
    expect(words("trust")).toContain("uv numpy");
    happens({ op: "trust-state", seq: null, data: { needs_approval: true, dependencies: ["conda channels far", "uv dependencies b10", "uv dependencies b2", "uv dependencies x @ {\"path\": \"a b\"}"] } });
    expect(words("trust")).toContain('conda channels: far; uv dependencies: b2, b10, x @ {"path": "a b"}');
    await press("trust-button");
    expect(done).toEqual(["trust"]);
    happens({ op: "trust-state", seq: null, data: { needs_approval: false } });
    expect(part("trust")).toBeNull();
  });

  it("tells a stopped kernel from a silent one, and a session that ended", () => {
    show(<Troubles />, { ...READING, kernel: { state: "dead", runtime: "r", error: "exit code 137" } });
    expect(words("kernel-trouble")).toMatch(/variables are gone; your cells and outputs are safe.*exit code 137/);
    set({ kernel: { state: "unreachable", runtime: "r" } });
    expect(words("kernel-trouble")).toMatch(/does not answer/);
    set({ ended: { code: 1000, reason: "EXPIRED" }, phase: "closed" });
    expect(words("ended")).toMatch(/expired/);
  });
});

describe("the people", () => {
  it("are shown with the editor first, by label or device", () => {
    show(<Members />, { ...READING, room: { ...READING.room!, members: [...READING.room!.members].reverse() } });
    expect([...holder.querySelectorAll("li")].map((one) => one.title)).toEqual(["Ann, editing", "Couch (you), reading"]);
  });
});
