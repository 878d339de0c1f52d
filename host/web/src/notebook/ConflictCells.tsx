import { useTranslation } from "react-i18next";
import { Button } from "../ui/Button";
import type { CellConflict } from "../wire/types";
import { useOpen, useSession } from "./context";

/** The cells that were changed here and in the file: both sides, and what may be done with each. */
export function ConflictCells({ cells, canEdit }: { cells: CellConflict[]; canEdit: boolean }) {
  return (
    <ul className="conflict-cells">
      {cells.map((cell) => (
        <ConflictCell key={cell.cell_id} cell={cell} canEdit={canEdit} />
      ))}
    </ul>
  );
}

function ConflictCell({ cell, canEdit }: { cell: CellConflict; canEdit: boolean }) {
  const { t } = useTranslation();
  const { actions } = useOpen();
  const here = useSession((state) => state.notebook?.cells[cell.cell_id]?.source);
  const choose = (choice: "ours" | "theirs" | "both") => () => void actions.resolve(cell.cell_id, choice);
  const place = useSession((state) => state.notebook?.order.indexOf(cell.cell_id) ?? -1);
  const name = place >= 0 ? t("history.cell_at", { number: place + 1 }) : t("history.cell_gone");
  const twoSided = cell.kind === "both_edited";
  return (
    <li className="conflict-cell" data-testid={`conflict-${cell.cell_id}`}>
      {!twoSided && <p className="soft">{t(cell.kind === "deleted_here" ? "trouble.cell_deleted_here" : "trouble.cell_deleted_there")}</p>}
      <div className="conflict-sides">
        {here !== undefined && <Side name={t("trouble.cell_here")} text={here} />}
        {cell.theirs && <Side name={t("trouble.cell_file")} text={cell.theirs.source} />}
      </div>
      {canEdit && (
        <span className="trouble-actions" role="group" aria-label={name}>
          <Button onClick={choose("ours")} testId="choose-ours">
            {t("trouble.choose_ours")}
          </Button>
          <Button onClick={choose("theirs")} testId="choose-theirs">
            {t("trouble.choose_theirs")}
          </Button>
          {twoSided && (
            <Button onClick={choose("both")} testId="choose-both">
              {t("trouble.choose_both")}
            </Button>
          )}
        </span>
      )}
    </li>
  );
}

function Side({ name, text }: { name: string; text: string }) {
  return (
    <figure>
      <figcaption>{name}</figcaption>
      <pre>{text}</pre>
    </figure>
  );
}
