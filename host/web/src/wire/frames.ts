/** Binary frames: one byte of kind, u32 LE header length, JSON header, payload. */

export const FRAME = { notebookSync: 1, modelsSync: 2, changes: 3, modelChanges: 4, buffers: 5, document: 6 } as const;

export interface Frame<Header = Record<string, unknown>> {
  kind: number;
  header: Header;
  payload: Uint8Array;
}

export interface ChangesHeader {
  by?: unknown;
  version?: number;
  sizes: number[];
}

export interface DocumentHeader {
  document: string;
  history_id: string;
  heads: string[];
  version: number;
}

const PREFIX = 5;

export function encodeFrame(kind: number, header: unknown, parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode(JSON.stringify(header));
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const out = new Uint8Array(PREFIX + head.byteLength + length);
  out[0] = kind;
  new DataView(out.buffer).setUint32(1, head.byteLength, true);
  out.set(head, PREFIX);
  let at = PREFIX + head.byteLength;
  for (const part of parts) {
    out.set(part, at);
    at += part.byteLength;
  }
  return out;
}

/** Throws with what is wrong; the connection treats that as a broken peer. */
export function decodeFrame(data: ArrayBuffer): Frame {
  if (data.byteLength < PREFIX) throw new Error(`binary frame of ${data.byteLength} bytes is shorter than its prefix`);
  const view = new DataView(data);
  const length = view.getUint32(1, true);
  if (PREFIX + length > data.byteLength) throw new Error(`binary frame header claims ${length} bytes, only ${data.byteLength - PREFIX} follow`);
  const header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(data, PREFIX, length))) as Record<string, unknown>;
  return { kind: view.getUint8(0), header, payload: new Uint8Array(data, PREFIX + length) };
}

/** Cuts a payload into the chunks its header's `sizes` names. */
export function splitPayload(payload: Uint8Array, sizes: number[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) {
    if (!Number.isInteger(size) || size < 0 || at + size > payload.byteLength) throw new Error("sizes do not fit the payload");
    parts.push(payload.slice(at, at + size));
    at += size;
  }
  if (at !== payload.byteLength) throw new Error(`${payload.byteLength - at} payload bytes are not covered by sizes`);
  return parts;
}
