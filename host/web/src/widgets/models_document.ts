import { loadAutomerge, type Automerge, type Doc } from "../document/automerge";
import { blobUrl, isBlobRef } from "../notebook/outputs/values";
import type { Json } from "../wire/types";
import type { DocumentModel, Entry, Held, Models } from "./models";

interface Comm {
  target_name?: string;
  cell_id?: string;
  seq?: number;
  revision?: number;
  state?: Record<string, Json>;
}
type Comms = { comms?: Record<string, Comm> };

/**
 * The models document: the other face of the host's model store, for `models=document`. What comes is applied in the order it came, each step once the
 * buffers that it names are here. The engine loads with the first frame.
 */
export class ModelsDocument {
  private doc: Doc<Comms> | null = null;
  private turn: Promise<void> = Promise.resolve();
  private readonly blobs = new Map<string, Uint8Array>();

  constructor(private readonly models: Models) {}

  whole(bytes: Uint8Array): void {
    this.next((automerge) => {
      this.doc = automerge.load<Comms>(bytes);
    });
  }

  changes(chunks: Uint8Array[]): void {
    this.next((automerge) => {
      if (this.doc) [this.doc] = automerge.applyChanges(this.doc, chunks);
    });
  }

  /** Everything that came so far is applied. */
  settled(): Promise<void> {
    return this.turn;
  }

  private next(step: (automerge: Automerge) => void): void {
    this.turn = this.turn
      .then(async () => {
        step(await loadAutomerge());
        await this.show();
      })
      .catch((error: unknown) => console.error("lectern: the document of the widget models could not be followed", error));
  }

  private async show(): Promise<void> {
    const found = new Map<string, DocumentModel>();
    const used = new Set<string>();
    for (const [id, comm] of Object.entries(this.doc?.comms ?? {})) {
      const entries = new Map<string, Entry>();
      for (const [key, value] of Object.entries(comm.state ?? {})) entries.set(key, await this.entry(JSON.parse(JSON.stringify(value)) as Json, used));
      found.set(id, { target: comm.target_name ?? "", cellId: comm.cell_id ?? "", order: Number(comm.seq ?? 0), revision: Number(comm.revision ?? 0), entries });
    }
    for (const sha of this.blobs.keys()) if (!used.has(sha)) this.blobs.delete(sha);
    this.models.document(found);
  }

  /** A value with its buffers taken out, as events have it: out of maps altogether, null in lists. */
  private async entry(value: Json, used: Set<string>): Promise<Entry> {
    const buffers: Held[] = [];
    const take = async (at: Json, path: (string | number)[]): Promise<Json | undefined> => {
      if (isBlobRef(at)) {
        used.add(at.$blob);
        buffers.push({ path, bytes: await this.blob(at.$blob) });
        return undefined;
      }
      if (Array.isArray(at)) {
        const out: Json[] = [];
        for (const [index, one] of at.entries()) out.push((await take(one, [...path, index])) ?? null);
        return out;
      }
      if (typeof at !== "object" || at === null) return at;
      const out: Record<string, Json> = {};
      for (const [key, one] of Object.entries(at)) {
        const rest = await take(one, [...path, key]);
        if (rest !== undefined) out[key] = rest;
      }
      return out;
    };
    return { value: await take(value, []), buffers };
  }

  private async blob(sha: string): Promise<Uint8Array> {
    const known = this.blobs.get(sha);
    if (known) return known;
    const response = await fetch(blobUrl({ $blob: sha }), { credentials: "same-origin" });
    if (!response.ok) throw new Error(`a buffer of a widget could not be fetched (${response.status})`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    this.blobs.set(sha, bytes);
    return bytes;
  }
}
