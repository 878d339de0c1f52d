import type { Json, Output } from "../wire/types";

/** Keys that are code: the kernel's, or saved ones that somebody approved; nobody else writes them. */
export const CODE_KEYS: readonly string[] = ["_esm", "_css"];

/** State of a model, or some keys of it, as it crosses between the page and a frame. */
export interface Bundle {
  state: Record<string, Json>;
  buffer_paths: (string | number)[][];
  buffers: Uint8Array[];
}

export interface Look {
  /** CSS variables of the page. */
  theme: Record<string, string>;
  dark: boolean;
  /** What is done in the frame may be sent on. */
  interact: boolean;
}

/** What the page says to a frame of widgets. */
export type ToFrame =
  | { lectern: "boot"; code: string }
  | ({ lectern: "look" } & Look)
  | { lectern: "outputs"; outputs: Output[] }
  | ({ lectern: "open"; id: string; live: boolean } & Bundle)
  /** `seen`: the last write of this frame that the state already knows of. */
  | ({ lectern: "update"; id: string; seen: number } & Bundle)
  | { lectern: "custom"; id: string; content: Json; buffers: Uint8Array[] }
  | { lectern: "close"; id: string }
  | { lectern: "missing"; id: string }
  | { lectern: "asset"; request: number; type: string; bytes: Uint8Array }
  | { lectern: "asset"; request: number; why: string };

/** What a frame says to the page. Everything in it comes from strangers' code. */
export type FromFrame =
  | { lectern: "ready" }
  | { lectern: "running" }
  | { lectern: "height"; height: number }
  | { lectern: "need"; id: string }
  /** `reaction`: the model whose update from the page made a widget here write this. */
  | ({ lectern: "write"; id: string; n: number; reaction?: string } & Bundle)
  | { lectern: "custom"; id: string; content: Json; buffers: Uint8Array[] }
  | { lectern: "asset"; request: number; path: string };
