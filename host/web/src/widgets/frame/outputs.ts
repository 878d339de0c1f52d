import { OutputModel as Original } from "@jupyter-widgets/html-manager/lib/output";
import type { OutputAreaModel } from "@jupyterlab/outputarea";

type Added = Parameters<OutputAreaModel["add"]>[0];

/** Brings an area from what it shows to `next`, and leaves alone what is the same: the widgets in it keep their views. Returns what is shown now. */
export function reconcile(area: OutputAreaModel, shown: string[], next: unknown[]): string[] {
  const texts = next.map((output) => JSON.stringify(output));
  const shrunk = texts.length < shown.length;
  if (shrunk) area.clear();
  texts.forEach((text, at) => {
    const output = JSON.parse(text) as Added;
    if (shrunk || at >= area.length) area.add(output);
    else if (text !== shown[at]) area.set(at, output);
  });
  return texts;
}

/** The Output widget. What it captures is told as its whole list each time. */
export class OutputModel extends Original {
  /** No initializer: it is used before this class's part of the constructor would run. */
  private declare shown: string[] | undefined;

  override setOutputs(_model?: unknown, _value?: unknown, options?: { newMessage?: boolean }): void {
    if (options?.newMessage) return;
    const outputs = this.get("outputs") as unknown[] | null;
    this.shown = reconcile(this.outputs, this.shown ?? [], outputs ?? []);
  }

  override clear_output(wait = false): void {
    super.clear_output(wait);
    this.shown = [];
  }
}
