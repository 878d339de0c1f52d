import { describe, expect, it } from "vitest";
import { decodeFrame, encodeFrame, FRAME, splitPayload } from "../src/wire/frames";

describe("binary frames", () => {
  it("are kind, little-endian header length, JSON header, payload", () => {
    const bytes = encodeFrame(FRAME.changes, { id: "ü", sizes: [2, 1] }, [new Uint8Array([1, 2]), new Uint8Array([3])]);
    const header = new TextEncoder().encode('{"id":"ü","sizes":[2,1]}');
    expect(bytes[0]).toBe(3);
    expect(new DataView(bytes.buffer).getUint32(1, true)).toBe(header.byteLength);
    expect([...bytes.slice(-3)]).toEqual([1, 2, 3]);
    const back = decodeFrame(bytes.buffer);
    expect(back).toMatchObject({ kind: 3, header: { id: "ü", sizes: [2, 1] } });
    expect(splitPayload(back.payload, [2, 1]).map((part) => [...part])).toEqual([[1, 2], [3]]);
  });

  it("refuses what is cut short or lies about its length", () => {
    expect(() => decodeFrame(new Uint8Array([3, 0]).buffer)).toThrow(/shorter/);
    expect(() => decodeFrame(new Uint8Array([3, 255, 0, 0, 0, 123]).buffer)).toThrow(/255/);
    expect(() => splitPayload(new Uint8Array(3), [2, 2])).toThrow(/fit/);
    expect(() => splitPayload(new Uint8Array(3), [-1])).toThrow(/fit/);
    expect(() => splitPayload(new Uint8Array(3), [2])).toThrow(/1 payload bytes/);
  });
});
