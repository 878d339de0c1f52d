import { afterEach, expect, it, vi } from "vitest";
import { Connection, type CloseInfo } from "../src/wire/connection";

/** The browser's side of a socket, closed by the test as a host would. */
class Socket {
  static readonly OPEN = 1;
  static last: Socket;
  readyState = 1;
  sent: unknown[] = [];
  onclose: ((info: CloseInfo) => void) | null = null;
  constructor() {
    Socket.last = this;
  }
  send(message: unknown): void {
    this.sent.push(message);
  }
  close(): void {}
}

let connection: Connection;
afterEach(() => {
  connection.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function opened(): Socket {
  vi.stubGlobal("WebSocket", Socket);
  connection = new Connection(() => ({ url: "ws://host/", firstFrame: null }), { phase() {}, event() {}, frame() {}, closed: () => "retry", silent() {}, reopen: () => Promise.resolve(true), batchEnd() {} });
  connection.open();
  connection.markReady();
  return Socket.last;
}

const LARGE = { ok: false, error: { code: "too_large", status: 413 } };

it("a message beyond what the host takes is answered here, and never sent", async () => {
  const socket = opened();
  expect(await connection.command("model", { text: "x".repeat(16 << 20) })).toMatchObject(LARGE);
  expect(await connection.command("model", { text: "\u6ce8".repeat((16 << 20) / 3) })).toMatchObject(LARGE);
  expect(await connection.command("model", {}, undefined, [new Uint8Array(16 << 20)])).toMatchObject(LARGE);
  expect(await connection.submit(2, "a", {}, [new Uint8Array(16 << 20)])).toMatchObject(LARGE);
  expect(socket.sent).toEqual([]);
  void connection.command("model", { text: "\u6ce8".repeat(1 << 20) });
  expect(socket.sent.length).toBe(1);
});

it("what a host with a lower limit closed the socket for is not sent again", async () => {
  const socket = opened();
  const reply = connection.command("model", {});
  socket.onclose!({ code: 1009, reason: "" });
  expect(await reply).toMatchObject(LARGE);
});

it("who is cut before all is here asks again later and later, and at once when all was", async () => {
  const dials: number[] = [];
  let socket = opened();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  const cut = async () => {
    const before = socket;
    socket.onclose!({ code: 1013, reason: "TOO_SLOW" });
    const from = Date.now();
    while (Socket.last === before) {
      await vi.advanceTimersByTimeAsync(20);
      await new Promise(setImmediate);
    }
    dials.push(Date.now() - from);
    socket = Socket.last;
    connection.markReady();
  };
  for (let at = 0; at < 4; at += 1) await cut();
  connection.markWhole();
  await cut();
  expect(dials[3]).toBeGreaterThanOrEqual(1500);
  expect(dials[4]).toBeLessThan(600);
});
