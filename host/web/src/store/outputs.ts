import type { CellOp, Output, OutputOp } from "../wire/types";
import { EMPTY_RUN, type CellRun } from "./session_state";

function textOf(output: Output): string | null {
  if (output.output_type !== "stream") return null;
  if (typeof output.text === "string") return output.text;
  return Array.isArray(output.text) ? output.text.join("") : null;
}

function appendText(outputs: Output[], index: number | undefined, text: string): Output[] {
  const at = index ?? outputs.length - 1;
  const target = outputs[at];
  const before = target ? textOf(target) : null;
  if (!target || target.output_type !== "stream" || before === null) return outputs;
  const next = outputs.slice();
  next[at] = { ...target, text: before + text };
  return next;
}

export function applyOutputOp(outputs: Output[], change: OutputOp): Output[] {
  switch (change.op) {
    case "append":
      return [...outputs, change.output];
    case "append_text":
      return appendText(outputs, change.index, change.text);
    case "replace": {
      if (!(change.index >= 0 && change.index <= outputs.length)) return outputs;
      const next = outputs.slice();
      next[change.index] = change.output;
      return next;
    }
    case "clear":
      return change.index === undefined ? [] : outputs.filter((_, at) => at !== change.index);
    default:
      return outputs;
  }
}

/** `now` is when it happened, null while the past is replayed: its times are not known. */
export function applyCellOp(run: CellRun | undefined, op: CellOp, now: number | null = null): CellRun {
  let next = run ?? EMPTY_RUN;
  if (op.outputs?.length) next = { ...next, outputs: op.outputs.reduce(applyOutputOp, next.outputs) };
  if (op.status && op.status !== next.status) next = timed({ ...next, status: op.status }, now);
  if (op.execution_count !== undefined && op.execution_count !== next.execution_count) next = { ...next, execution_count: op.execution_count };
  if (op.execution_id !== undefined && op.execution_id !== next.execution_id) next = { ...next, execution_id: op.execution_id };
  return next;
}

function timed(run: CellRun, now: number | null): CellRun {
  if (run.status === "queued") return { ...run, startedAt: undefined, tookMs: undefined };
  if (run.status === "running") return { ...run, startedAt: now ?? undefined, tookMs: undefined };
  if (now === null || run.startedAt === undefined) return run;
  return { ...run, startedAt: undefined, tookMs: Math.max(0, now - run.startedAt) };
}
