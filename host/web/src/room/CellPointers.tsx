import { useEffect, useState } from "react";
import { useOpen, useSession } from "../notebook/context";
import type { RemoteCursor } from "../wire/types";
import { hueOf, nameOf } from "./names";

/** As long as the host shows a pointing; faded by then. */
const SHOWN_MS = 4000;

/** Where others point at in this cell. */
export function CellPointers({ id }: { id: string }) {
  const cursors = useSession((state) => state.cursors);
  return cursors.filter((cursor) => cursor.cell_id === id && cursor.pointer).map((cursor) => <Pointer key={`${cursor.client_id} ${cursor.pointer!.n}`} cursor={cursor} />);
}

function Pointer({ cursor }: { cursor: RemoteCursor }) {
  const { session } = useOpen();
  const [over, setOver] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setOver(true), SHOWN_MS);
    return () => clearTimeout(timer);
  }, []);
  const member = session.store.get().room.members.find((known) => known.client_id === cursor.client_id);
  if (over || !member) return null;
  const { x, y } = cursor.pointer!;
  return (
    <span className="pointer" aria-hidden="true" data-testid="pointer" style={{ "--hue": hueOf(cursor.client_id), "--x": `${x / 10}%`, "--y": `${y / 10}%` } as React.CSSProperties}>
      <span className="pointer-dot" />
      <span className="remote-name">{nameOf(member)}</span>
    </span>
  );
}
