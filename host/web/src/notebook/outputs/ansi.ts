/** ANSI escape sequences (SGR) as styled spans. Everything else that starts with ESC is dropped. */
export interface Span {
  text: string;
  /** Class names for the sixteen named colours and attributes. */
  className: string;
  /** For 256 and true colours. */
  color?: string;
  background?: string;
}

interface Style {
  fg: string | null;
  bg: string | null;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
  strike: boolean;
}

const PLAIN: Style = { fg: null, bg: null, bold: false, dim: false, italic: false, underline: false, inverse: false, strike: false };

// CSI sequences, OSC sequences (ended by BEL or ST), and two-byte escapes.
const ESCAPE = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])/g;

const CUBE = [0, 95, 135, 175, 215, 255];

function paletteColor(index: number): string | null {
  if (!(index >= 0 && index <= 255)) return null;
  if (index < 16) return `ansi-${index}`;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return `rgb(${grey},${grey},${grey})`;
  }
  const at = index - 16;
  return `rgb(${CUBE[Math.floor(at / 36)]},${CUBE[Math.floor(at / 6) % 6]},${CUBE[at % 6]})`;
}

/** Reads 38/48's arguments; returns the colour and how many codes it used. */
function extendedColor(codes: number[], at: number): { color: string | null; used: number } {
  if (codes[at + 1] === 5) return { color: paletteColor(codes[at + 2] ?? -1), used: 2 };
  if (codes[at + 1] === 2) {
    const [red, green, blue] = [codes[at + 2], codes[at + 3], codes[at + 4]].map((value) => Math.min(Math.max(value ?? 0, 0), 255));
    return { color: `rgb(${red},${green},${blue})`, used: 4 };
  }
  return { color: null, used: 0 };
}

function applySimple(style: Style, code: number): Style {
  if (code >= 30 && code <= 37) return { ...style, fg: `ansi-${code - 30}` };
  if (code >= 90 && code <= 97) return { ...style, fg: `ansi-${code - 82}` };
  if (code >= 40 && code <= 47) return { ...style, bg: `ansi-${code - 40}` };
  if (code >= 100 && code <= 107) return { ...style, bg: `ansi-${code - 92}` };
  switch (code) {
    case 0:
      return PLAIN;
    case 1:
      return { ...style, bold: true };
    case 2:
      return { ...style, dim: true };
    case 3:
      return { ...style, italic: true };
    case 4:
      return { ...style, underline: true };
    case 7:
      return { ...style, inverse: true };
    case 9:
      return { ...style, strike: true };
    case 22:
      return { ...style, bold: false, dim: false };
    case 23:
      return { ...style, italic: false };
    case 24:
      return { ...style, underline: false };
    case 27:
      return { ...style, inverse: false };
    case 29:
      return { ...style, strike: false };
    case 39:
      return { ...style, fg: null };
    case 49:
      return { ...style, bg: null };
    default:
      return style;
  }
}

function applySgr(style: Style, params: string): Style {
  const codes = params === "" ? [0] : params.split(/[;:]/).map((part) => (part === "" ? 0 : Number(part)));
  let next = style;
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at]!;
    if (code === 38 || code === 48) {
      const { color, used } = extendedColor(codes, at);
      if (color) next = code === 38 ? { ...next, fg: color } : { ...next, bg: color };
      at += used;
    } else next = applySimple(next, code);
  }
  return next;
}

function spanOf(text: string, style: Style): Span {
  const [fg, bg] = style.inverse ? [style.bg ?? "inverse", style.fg ?? "inverse"] : [style.fg, style.bg];
  const names: string[] = [];
  const span: Span = { text, className: "" };
  if (fg?.startsWith("rgb")) span.color = fg;
  else if (fg) names.push(`${fg}-fg`);
  if (bg?.startsWith("rgb")) span.background = bg;
  else if (bg) names.push(`${bg}-bg`);
  for (const name of ["bold", "dim", "italic", "underline", "strike"] as const) if (style[name]) names.push(`ansi-${name}`);
  span.className = names.join(" ");
  return span;
}

export function parseAnsi(text: string): Span[] {
  const spans: Span[] = [];
  let style = PLAIN;
  let from = 0;
  const push = (piece: string) => {
    if (piece) spans.push(spanOf(piece, style));
  };
  for (const match of text.matchAll(ESCAPE)) {
    push(text.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[2] === "m") style = applySgr(style, match[1] ?? "");
  }
  push(text.slice(from));
  return spans;
}

export const stripAnsi = (text: string) => text.replace(ESCAPE, "");
