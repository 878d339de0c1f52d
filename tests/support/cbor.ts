// As much of CBOR (RFC 8949) as lectern.v1+cbor needs, written apart from the plugin's codec so that the two check each other.
export type Cbor = null | boolean | number | bigint | string | Uint8Array | Cbor[] | { [key: string]: Cbor };

function head(major: number, value: number): number[] {
  if (value < 24) return [(major << 5) | value];
  if (value < 0x100) return [(major << 5) | 24, value];
  if (value < 0x10000) return [(major << 5) | 25, value >> 8, value & 0xff];
  if (value < 0x1_0000_0000) return [(major << 5) | 26, ...word(value)];
  return [(major << 5) | 27, ...word(Math.floor(value / 0x1_0000_0000)), ...word(value >>> 0)];
}

function word(value: number): number[] {
  return [(value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

export function encode(value: Cbor | undefined): Uint8Array {
  const parts: Uint8Array[] = [];
  const put = (item: Cbor | undefined): void => {
    if (item === null || item === undefined) parts.push(Uint8Array.of(0xf6));
    else if (typeof item === 'boolean') parts.push(Uint8Array.of(item ? 0xf5 : 0xf4));
    else if (typeof item === 'number' && Number.isInteger(item)) {
      parts.push(Uint8Array.from(item < 0 ? head(1, -1 - item) : head(0, item)));
    } else if (typeof item === 'number') {
      const bytes = new Uint8Array(9);
      bytes[0] = 0xfb;
      new DataView(bytes.buffer).setFloat64(1, item);
      parts.push(bytes);
    } else if (typeof item === 'string') {
      const bytes = new TextEncoder().encode(item);
      parts.push(Uint8Array.from(head(3, bytes.length)), bytes);
    } else if (item instanceof Uint8Array) {
      parts.push(Uint8Array.from(head(2, item.length)), item);
    } else if (Array.isArray(item)) {
      parts.push(Uint8Array.from(head(4, item.length)));
      item.forEach(put);
    } else if (typeof item === 'object') {
      const members = Object.entries(item).filter(([, member]) => member !== undefined);
      parts.push(Uint8Array.from(head(5, members.length)));
      for (const [key, member] of members) {
        put(key);
        put(member);
      }
    } else throw new Error(`cannot encode ${typeof item}`);
  };
  put(value);
  return Uint8Array.from(Buffer.concat(parts));
}

export function decode(bytes: Uint8Array): any {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const BREAK = Symbol('break');
  const argument = (info: number): number => {
    if (info < 24) return info;
    const size = 1 << (info - 24);
    at += size;
    if (info === 24) return view.getUint8(at - 1);
    if (info === 25) return view.getUint16(at - 2);
    if (info === 26) return view.getUint32(at - 4);
    if (info === 27) return Number(view.getBigUint64(at - 8));
    throw new Error(`unknown length ${info}`);
  };
  const take = (): any => {
    const first = view.getUint8(at++);
    const major = first >> 5;
    const info = first & 31;
    if (first === 0xff) return BREAK;
    if (major === 7) {
      if (info === 20 || info === 21) return info === 21;
      if (info === 22) return null;
      if (info === 27) {
        at += 8;
        return view.getFloat64(at - 8);
      }
      throw new Error(`unexpected simple value ${info}`);
    }
    const open = info === 31;
    const n = open ? Number.POSITIVE_INFINITY : argument(info);
    switch (major) {
      case 0:
        return n;
      case 1:
        return -1 - n;
      case 2:
        return bytes.slice(at, (at += n));
      case 3:
        return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(at, (at += n)));
      case 4: {
        const items: any[] = [];
        for (let i = 0; i < n; ++i) {
          const item = take();
          if (item === BREAK) break;
          items.push(item);
        }
        return items;
      }
      case 5: {
        const made: Record<string, any> = {};
        for (let i = 0; i < n; ++i) {
          const key = take();
          if (key === BREAK) break;
          made[key] = take();
        }
        return made;
      }
      default:
        throw new Error(`unexpected tag at ${at}`);
    }
  };
  const value = take();
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes after the item`);
  return value;
}
