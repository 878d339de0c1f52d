import { PlusIcon } from "../ui/icons";
import type { CellType } from "../wire/types";
import { useOpen, useSession, useWords } from "./context";

const TYPES = ["code", "markdown"] as const satisfies readonly CellType[];

/** Between two cells, for the mouse and for what reads the page aloud: the keyboard has `a` and `b`. */
export function InsertBetween({ after }: { after: string }) {
  const t = useWords();
  const { ui } = useOpen();
  const canEdit = useSession((state) => state.capabilities.edit);
  if (!canEdit) return null;
  return (
    <div className="between">
      {TYPES.map((type) => {
        const name = t(type === "code" ? "cell.code" : "cell.markdown");
        return (
          <button key={type} type="button" className="add-button" tabIndex={-1} aria-label={t("cell.insert_here", { type: name })} aria-keyshortcuts={type === "code" ? "b" : undefined} onClick={() => ui.insert(type, after)} data-testid={`insert-${type}`}>
            <PlusIcon /> {name}
          </button>
        );
      })}
    </div>
  );
}
