import { useEffect, useState, type ComponentType, type ReactNode } from "react";
import { api, toWireError } from "../wire/http";
import { ErrorNote } from "../ui/ErrorNote";
import type { Access } from "../wire/host_types";
import type { WireError } from "../wire/types";

type Dialog = ComponentType<{ session?: string; admin: boolean; onClose(): void }>;

let access: Promise<Access | null> | null = null;

/** What this page's token may do; asked once. */
function askAccess(): Promise<Access | null> {
  access ??= api.info().then(
    (info) => info.token ?? null,
    () => {
      access = null;
      return null;
    },
  );
  return access;
}

/** What this page's token may do; null until it is known. */
export function useAccess(): Access | null {
  const [mine, setMine] = useState<Access | null>(null);
  useEffect(() => {
    let current = true;
    void askAccess().then((found) => current && setMine(found));
    return () => {
      current = false;
    };
  }, []);
  return mine;
}

/** The way to the settings: `open` is absent for a token that may not see them. Their code loads with the first look. */
export function useSettings(session?: string): { open?: () => void; dialog: ReactNode } {
  const mine = useAccess();
  const [Shown, setShown] = useState<Dialog | null>(null);
  const [error, setError] = useState<WireError | null>(null);
  if (!mine || mine.session_id !== undefined) return { dialog: null };
  const open = () => {
    setError(null);
    import("./SettingsDialog").then(
      (code) => setShown(() => code.SettingsDialog),
      (reason: unknown) => setError(toWireError(reason)),
    );
  };
  const dialog = (
    <>
      {error && <ErrorNote error={error} onDismiss={() => setError(null)} />}
      {Shown && <Shown session={session} admin={mine.scope === "admin"} onClose={() => setShown(null)} />}
    </>
  );
  return { open, dialog };
}
