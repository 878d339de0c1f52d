/**
 * Fractional index of cells: uppercase hex of bytes that end in 0x80, ordered as plain strings (the algorithm of loro's fractional_index, which
 * the notebook schema names). Ties are broken by cell id.
 */
const TERMINATOR = 0x80;

export const FIRST_POSITION = "80";

function decode(text: string): number[] {
  const bytes: number[] = [];
  for (let at = 0; at + 1 < text.length; at += 2) bytes.push(Number.parseInt(text.slice(at, at + 2), 16));
  return bytes;
}

function encode(bytes: number[]): string {
  return [...bytes, TERMINATOR].map((byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join("");
}

/** Unterminated bytes below `bytes`. */
function before(bytes: number[]): number[] {
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]!;
    if (byte > TERMINATOR) return bytes.slice(0, at);
    if (byte > 0) return [...bytes.slice(0, at), byte - 1];
  }
  return [];
}

/** Unterminated bytes above `bytes`. */
function after(bytes: number[]): number[] {
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]!;
    if (byte < TERMINATOR) return bytes.slice(0, at);
    if (byte < 255) return [...bytes.slice(0, at), byte + 1];
  }
  return [];
}

function between(left: number[], right: number[]): number[] | null {
  const shorter = Math.min(left.length, right.length) - 1;
  for (let at = 0; at < shorter; at += 1) {
    const low = left[at]!;
    const high = right[at]!;
    if (low < high - 1) return [...left.slice(0, at), low + Math.floor((high - low) / 2)];
    if (low === high - 1) return [...left.slice(0, at + 1), ...after(left.slice(at + 1))];
    if (low > high) return null;
  }
  if (left.length < right.length) {
    const prefix = right.slice(0, shorter + 1);
    return prefix[prefix.length - 1]! < TERMINATOR ? null : [...prefix, ...before(right.slice(shorter + 1))];
  }
  if (left.length > right.length) {
    const prefix = left.slice(0, shorter + 1);
    return prefix[prefix.length - 1]! >= TERMINATOR ? null : [...prefix, ...after(left.slice(shorter + 1))];
  }
  return null;
}

/** A position between two neighbours; null or "" stands for the open end. Equal neighbours have nothing between: the result then follows both. */
export function positionBetween(left: string | null, right: string | null): string {
  if (!left && !right) return FIRST_POSITION;
  if (!left) return encode(before(decode(right!)));
  if (!right) return encode(after(decode(left)));
  const middle = left < right ? between(decode(left), decode(right)) : null;
  return encode(middle ?? after(decode(left)));
}

export function comparePositions(a: { position: string; id: string }, b: { position: string; id: string }): number {
  if (a.position !== b.position) return a.position < b.position ? -1 : 1;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
