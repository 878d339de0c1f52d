import { useEffect, useState, type ComponentType } from "react";
import { ErrorNote } from "../ui/ErrorNote";
import { useOpen, useUi } from "../notebook/context";
import { toWireError } from "../wire/http";
import type { WireError } from "../wire/types";
import type { Look } from "./history_types";

/** The history, while somebody looks at it. Its code loads with the first look. */
export function History() {
  const { ui } = useOpen();
  const look = useUi((state) => state.history);
  const [Shown, setShown] = useState<ComponentType<{ look: Look; onClose(): void }> | null>(null);
  const [error, setError] = useState<WireError | null>(null);
  const wanted = look !== null;
  useEffect(() => {
    if (!wanted) return;
    setError(null);
    import("./HistoryDialog").then(
      (code) => setShown(() => code.HistoryDialog),
      (reason: unknown) => setError(toWireError(reason)),
    );
  }, [wanted]);
  if (!look) return null;
  if (error) return <ErrorNote error={error} onDismiss={() => ui.showHistory(null)} />;
  return Shown && <Shown look={look} onClose={() => ui.showHistory(null)} />;
}
