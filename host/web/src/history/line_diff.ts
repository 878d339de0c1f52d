/** One line of a difference: kept, taken away, added, or a number of kept lines that are not shown. */
export type DiffLine = { kind: "same" | "gone" | "new"; text: string } | { kind: "skip"; count: number };

/** Past this the middle is told as replaced: nobody reads a finer difference of so much. */
const MOST_PAIRS = 1_000_000;
const CONTEXT = 2;

/** What became of each line, in order. */
export function diffLines(before: string, after: string): DiffLine[] {
  const a = before === "" ? [] : before.split("\n");
  const b = after === "" ? [] : after.split("\n");
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  return folded([
    ...a.slice(0, start).map((text): DiffLine => ({ kind: "same", text })),
    ...middle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...a.slice(a.length - end).map((text): DiffLine => ({ kind: "same", text })),
  ]);
}

/** By the longest common run of lines. */
function middle(a: string[], b: string[]): DiffLine[] {
  const gone = (text: string): DiffLine => ({ kind: "gone", text });
  const made = (text: string): DiffLine => ({ kind: "new", text });
  if (a.length * b.length > MOST_PAIRS) return [...a.map(gone), ...b.map(made)];
  const width = b.length + 1;
  const length = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      length[i * width + j] = a[i] === b[j] ? length[(i + 1) * width + j + 1]! + 1 : Math.max(length[(i + 1) * width + j]!, length[i * width + j + 1]!);
    }
  }
  const out: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ kind: "same", text: a[i]! });
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && length[(i + 1) * width + j]! >= length[i * width + j + 1]!)) {
      out.push(gone(a[i]!));
      i += 1;
    } else {
      out.push(made(b[j]!));
      j += 1;
    }
  }
  return out;
}

/** Kept lines far from any difference become one that counts them. */
function folded(lines: DiffLine[]): DiffLine[] {
  const near = lines.map(() => false);
  lines.forEach((line, at) => {
    if (line.kind === "same") return;
    for (let i = Math.max(0, at - CONTEXT); i <= Math.min(lines.length - 1, at + CONTEXT); i += 1) near[i] = true;
  });
  const out: DiffLine[] = [];
  lines.forEach((line, at) => {
    const last = out.at(-1);
    if (near[at]) out.push(line);
    else if (last?.kind === "skip") last.count += 1;
    else out.push({ kind: "skip", count: 1 });
  });
  return out;
}
