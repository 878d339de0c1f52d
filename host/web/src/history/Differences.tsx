import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Key } from "../i18n";
import { useSession } from "../notebook/context";
import { Button } from "../ui/Button";
import type { CellDifference, Comparison } from "./history_types";
import { diffLines, type DiffLine } from "./line_diff";

const CHANGES: Record<CellDifference["change"], Key> = { added: "history.cell_added", removed: "history.cell_removed", changed: "history.cell_changed" };

/** Cell by cell what differs. `onRestore` brings one cell back to how it was. */
export function Differences({ found, canEdit, onRestore }: { found: Comparison; canEdit: boolean; onRestore?: (cellId: string) => void }) {
  const { t } = useTranslation();
  return (
    <>
      {found.cells.length === 0 && <p data-testid="no-differences">{t("history.same")}</p>}
      {found.truncated && <p className="soft">{t("history.truncated")}</p>}
      {found.cells.map((cell) => (
        <CellChange key={cell.cell_id} cell={cell} canEdit={canEdit} onRestore={onRestore} />
      ))}
      {found.cells.length > 0 && <p className="soft">{t("history.unchanged", { count: found.unchanged })}</p>}
    </>
  );
}

function CellChange({ cell, canEdit, onRestore }: { cell: CellDifference; canEdit: boolean; onRestore?: (cellId: string) => void }) {
  const { t } = useTranslation();
  const place = useSession((state) => state.notebook?.order.indexOf(cell.cell_id) ?? -1);
  const lines = useMemo(() => diffLines(cell.before?.source ?? "", cell.after?.source ?? ""), [cell]);
  const told = [
    t(CHANGES[cell.change]),
    cell.moved ? t("history.cell_moved") : "",
    cell.type_changed ? t("history.cell_type", { before: cell.before?.cell_type ?? "", after: cell.after?.cell_type ?? "" }) : "",
    cell.metadata_changed ? t("history.cell_metadata") : "",
  ];
  const unknown = (cell.before && cell.before.source === undefined) || (cell.after && cell.after.source === undefined);
  const name = place >= 0 ? t("history.cell_at", { number: place + 1 }) : t("history.cell_gone");
  return (
    <article className="history-cell" aria-label={`${name}: ${told.filter(Boolean).join(", ")}`} data-testid="difference">
      <header>
        <span>
          <strong>{name}</strong> <span className={`history-${cell.change}`}>{told.filter(Boolean).join(" · ")}</span>
        </span>
        {onRestore && cell.before && (
          <Button disabled={!canEdit} title={canEdit ? undefined : t("history.need_pen")} onClick={() => onRestore(cell.cell_id)} testId="restore-cell">
            {t("history.restore_cell")}
          </Button>
        )}
      </header>
      {unknown ? <p className="soft">{t("history.too_large")}</p> : (cell.change !== "changed" || cell.source_changed) && <Lines lines={lines} />}
    </article>
  );
}

function Lines({ lines }: { lines: DiffLine[] }) {
  const { t } = useTranslation();
  return (
    <pre className="history-lines" tabIndex={0}>
      {lines.map((line, at) => {
        if (line.kind === "skip") {
          return (
            <span key={at} className="line-skip">
              {t("history.lines", { count: line.count })}
              {"\n"}
            </span>
          );
        }
        if (line.kind === "same") return <span key={at}>{`  ${line.text}\n`}</span>;
        return line.kind === "gone" ? <del key={at}>{`− ${line.text}\n`}</del> : <ins key={at}>{`+ ${line.text}\n`}</ins>;
      })}
    </pre>
  );
}
