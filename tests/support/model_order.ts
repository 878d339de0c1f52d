// What every viewer is promised of widget models (protocol 5): `open` before any output that names the model.
import type { Frame } from './client';

/** The models that a cell-op's outputs name. */
export function modelsNamed(frame: Frame): string[] {
  if (frame.op !== 'cell-op') return [];
  const named = (frame.data.outputs ?? []).map((change: any) => change.output?.data?.['application/vnd.jupyter.widget-view+json']?.model_id);
  return named.filter((id: unknown) => typeof id === 'string');
}

/** All models that these frames name, and those of them that were not opened before, by `known` or a frame. A fresh snapshot begins anew. */
export function modelOrder(frames: Frame[], known: string[] = []): { named: string[]; broken: string[]; opened: string[] } {
  let opened = new Set(known);
  const named: string[] = [];
  const broken: string[] = [];
  for (const frame of frames) {
    if (frame.op === 'kernel-ready' && frame.data.replay === 'snapshot') opened = new Set();
    if (frame.op === 'model-lifecycle' && frame.data.message.method === 'open') opened.add(frame.data.model_id);
    for (const id of modelsNamed(frame)) {
      named.push(id);
      if (!opened.has(id)) broken.push(id);
    }
  }
  return { named, broken, opened: [...opened] };
}
