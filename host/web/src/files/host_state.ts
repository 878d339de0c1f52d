import { useEffect } from "react";
import { createStore, useStore } from "../store/store";
import { api } from "../wire/http";
import type { RemoteSession, SessionRow } from "../wire/types";

/** What the host says of itself and of other devices; every event of its stream holds the whole list. */
interface HostState {
  sessions: SessionRow[];
  remote: RemoteSession[];
  /** Counts the times the plugins were said to have changed. */
  pluginsChanged: number;
}

const host = createStore<HostState>({ sessions: [], remote: [], pluginsChanged: 0 });
let watchers = 0;
let source: EventSource | null = null;

const rows = <T>(data: unknown): T[] => {
  const list = Array.isArray(data) ? data : ((data as { sessions?: unknown } | null)?.sessions ?? []);
  return Array.isArray(list) ? (list as T[]) : [];
};

const newestFirst = (list: RemoteSession[]) => [...list].sort((a, b) => (b.updated_at ?? "").localeCompare(a.updated_at ?? ""));

function listen(): void {
  source = new EventSource("/api/v1/events");
  source.onmessage = (event: MessageEvent<string>) => {
    const { op, data } = JSON.parse(event.data) as { op?: string; data?: unknown };
    if (op === "sessions-changed") host.update((state) => ({ ...state, sessions: rows(data) }));
    else if (op === "remote-sessions") host.update((state) => ({ ...state, remote: newestFirst(rows(data)) }));
    else if (op === "plugins-changed") host.update((state) => ({ ...state, pluginsChanged: state.pluginsChanged + 1 }));
  };
}

function refresh(): void {
  api.sessions().then((data) => host.update((state) => ({ ...state, sessions: rows(data) })), () => undefined);
  api.presence().then((data) => host.update((state) => ({ ...state, remote: newestFirst(rows(data)) })), () => undefined);
}

/** Follows the host for as long as somebody looks. */
export function useHost(): HostState {
  useEffect(() => {
    watchers += 1;
    if (watchers === 1) {
      refresh();
      listen();
    }
    return () => {
      watchers -= 1;
      if (watchers > 0) return;
      source?.close();
      source = null;
    };
  }, []);
  return useStore(host, whole);
}

const whole = (state: HostState) => state;
