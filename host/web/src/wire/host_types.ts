/** What the host says of its plugins and policies, as far as the page shows it. */
import type { Json, RuntimeRow, WireError } from "./types";

export type JsonObject = { [key: string]: Json };

export interface Access {
  scope: string;
  /** The token is for this session only. */
  session_id?: string;
}

export interface HostInfo {
  runtimes?: RuntimeRow[];
  token?: Access;
}

/** A device that is paired with this one. */
export interface DeviceRow {
  device_id: string;
  device_name: string;
  /** What it may do here. */
  scope: string;
  /** What this one may do there. */
  their_scope?: string;
  paired_at: string;
}

/** A code that another device can use once. */
export interface PairingOffer {
  code: string;
  expires_at: string;
  /** Where the other device may find this host. */
  addresses: string[];
}

export type PluginKind = "policy" | "format" | "runtime" | "transport" | "presence";

export interface Generation {
  number: number;
  state: string;
  why?: string;
  load_us: number;
  calls: number;
  failures: number;
  p99_us: number;
  isolation: string;
  restarts?: number;
  memory_bytes?: number;
  last_failure?: string;
  health?: { state: string; summary: string };
  config_schema?: JsonObject;
}

export interface PluginRow {
  id: string;
  path: string;
  /** Absent where the manifest could not be read. */
  kind?: PluginKind;
  name?: string;
  version?: string;
  description?: string;
  isolation?: string;
  state: "loaded" | "available" | "refused";
  refused?: WireError;
  generations: Generation[];
}

export interface ReloadAnswer {
  id: string;
  generation: number;
  sessions: { session_id: string; ok: boolean; error?: string }[];
}

export interface PolicyChoice {
  policy: string;
  config: JsonObject;
}

/** What another policy would have done where this one did something else. */
export interface Difference {
  event: string;
  who?: number;
  label?: string;
  session_id?: string;
  now: string[];
  then: string[];
}

/** Differences name the people of a session by number. */
export interface NumberedPerson {
  number: number;
  label: string;
}

export interface PolicyAnswer extends PolicyChoice {
  differences?: Difference[];
  people?: NumberedPerson[];
  sessions?: { session_id: string; ok: boolean; people?: NumberedPerson[]; error?: { message?: string; error?: WireError } | string }[];
}
