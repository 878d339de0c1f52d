import { lazy, memo, Suspense, useCallback, useMemo, useState, type RefObject } from "react";
import type { Cell } from "../store/session_state";
import { AheadField } from "./AheadField";
import { useOpen, useSession, useUi } from "./context";
import type { EditorKeys } from "./editor_setup";
import { patternOf } from "./find";
import { useNearViewport } from "./near_viewport";

const CodeEditor = lazy(() => import("./CodeEditor"));

/** A cell's text without an editor: far from the window, and until the editor's code is there. Same metrics, so nothing jumps. */
function PlainSource({ source }: { source: string }) {
  return <pre className="plain-source">{source || "\u200b"}</pre>;
}

function languageName(cell: Cell, metadata: Record<string, unknown>): string {
  if (cell.cell_type === "markdown") return "markdown";
  if (cell.cell_type === "raw") return "";
  const info = metadata.language_info as { name?: unknown } | undefined;
  const spec = metadata.kernelspec as { language?: unknown } | undefined;
  const name = info?.name ?? spec?.language;
  return typeof name === "string" ? name : "python";
}

interface CellSourceProps {
  cell: Cell;
  label: string;
  holder: RefObject<HTMLElement | null>;
}

export const CellSource = memo(function CellSource({ cell, label, holder }: CellSourceProps) {
  const { session, ui } = useOpen();
  const { id } = cell;
  const near = useNearViewport(holder);
  const reader = useSession((state) => !state.capabilities.edit);
  const name = useSession((state) => languageName(cell, state.notebook?.metadata ?? {}));
  const focused = useUi((state) => state.active === id && state.mode === "edit");
  const focusTick = useUi((state) => (state.active === id ? state.focusTick : 0));
  const find = useUi((state) => state.find);
  const { open, query, matchCase } = find;
  const search = useMemo(() => (open ? patternOf({ query, matchCase }) : null), [open, query, matchCase]);
  const keys = useMemo<EditorKeys>(
    () => ({
      onKey(binding) {
        if (binding === "escape") ui.leaveEdit();
        else if (binding === "leave-up") ui.leaveThrough("top");
        else if (binding === "leave-down") ui.leaveThrough("bottom");
        else ui.run(binding);
      },
    }),
    [ui],
  );
  const [there, setThere] = useState(false);
  const [composing, setComposing] = useState(false);
  const onThere = useCallback((is: boolean) => setThere(is), []);
  if (!near && !focused) return <PlainSource source={cell.source} />;
  return (
    <>
    <Suspense fallback={<PlainSource source={cell.source} />}>
      <CodeEditor
        session={session}
        cellId={id}
        languageName={name}
        completes={cell.cell_type === "code"}
        reader={reader}
        label={label}
        search={search}
        // Who is composing loses nothing: the editor takes the focus afterwards.
        focused={focused && !composing}
        onThere={onThere}
        focusTick={focusTick}
        onFocus={() => ui.editing(id)}
        onBlur={() => ui.editorLeft(id)}
        keys={keys}
        ahead={ui.ahead}
      />
    </Suspense>
    {(composing || (focused && !there)) && !reader && <AheadField label={label} onText={(text) => ui.ahead.add(ui.edited ?? id, { text })} composing={composing} setComposing={setComposing} />}
    </>
  );
});
