// The page types by hand what it reads. What of that no longer fits the host's specifications (spec.ts) does not compile.
import type { DeviceRow, Generation, HostInfo, PairingOffer, PluginRow } from "./host_types";
import type * as spec from "./spec";
import type { ConnectionInfo, EventMap, FileEntry, RemoteSession, SessionRow } from "./types";

/** What the page adds to what it was told. */
type Added = "until" | "asked";
/** Members that the page reads and the host never says. */
type Unsaid<Ours, Said> = Exclude<keyof Ours, keyof Said | Added>;
/** Members that the host may leave out and the page takes for granted. */
type Left<Said> = { [K in keyof Said]-?: undefined extends Said[K] ? K : never }[keyof Said];
type Given<Ours> = { [K in keyof Ours]-?: undefined extends Ours[K] ? never : null extends Ours[K] ? never : K }[keyof Ours];
type Wrong<Ours, Said> = Unsaid<Ours, Said> | Extract<Given<Ours>, Left<Said>>;

type Empty = { [op in keyof EventMap]: string extends keyof EventMap[op] ? op : never }[keyof EventMap];
type WrongEvents = {
  [op in Exclude<keyof EventMap, Empty>]: op extends keyof spec.Events ? Wrong<EventMap[op], spec.Events[op]> : op;
}[Exclude<keyof EventMap, Empty>];

type None<T extends never> = T;
export type Checked = [
  None<WrongEvents>,
  None<Wrong<ConnectionInfo, spec.ConnectionInfo>>,
  None<Wrong<SessionRow, spec.SessionSummary>>,
  None<Wrong<FileEntry, spec.FileEntry>>,
  None<Wrong<RemoteSession, spec.RemoteSessionList["sessions"][number]>>,
  None<Wrong<HostInfo, spec.Info>>,
  None<Wrong<PluginRow, spec.PluginRow>>,
  None<Wrong<Generation, spec.Generation>>,
  None<Wrong<DeviceRow, spec.PairedDevice>>,
  None<Wrong<PairingOffer, spec.PairingOffer>>,
];
