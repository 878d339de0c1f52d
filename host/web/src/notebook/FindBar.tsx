import { useEffect, useMemo, useRef, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { Button, IconButton } from "../ui/Button";
import { CloseIcon, DownIcon, UpIcon } from "../ui/icons";
import { useOpen, useSession, useUi } from "./context";
import { findAll } from "./find";

/** Find and replace over all cells: the browser's own search does not see cells far from the window. */
export function FindBar() {
  const open = useUi((state) => state.find.open);
  return open ? <OpenFindBar /> : null;
}

function OpenFindBar() {
  const { t } = useTranslation();
  const { ui } = useOpen();
  const find = useUi((state) => state.find);
  const notebook = useSession((state) => state.notebook);
  const canEdit = useSession((state) => state.capabilities.edit);
  const field = useRef<HTMLInputElement>(null);
  const matches = useMemo(() => (notebook ? findAll(notebook, find) : []), [notebook, find]);
  useEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, []);
  const close = () => {
    ui.setFind({ open: false });
    ui.leaveEdit();
  };
  const onKey = (event: KeyboardEvent<HTMLElement>) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && event.target === field.current) ui.stepMatch(event.shiftKey ? -1 : 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const words = find.query === "" ? "" : matches.length === 0 ? t("find.none") : t("find.position", { at: Math.min(find.at, matches.length - 1) + 1, count: matches.length });
  return (
    <search className="find" aria-label={t("find.label")} onKeyDown={onKey} data-testid="find">
      <input ref={field} value={find.query} placeholder={t("find.query")} aria-label={t("find.query")} onChange={(event) => ui.findText({ query: event.target.value })} data-testid="find-query" />
      <span className="soft find-count" role="status" data-testid="find-count">
        {words}
      </span>
      <IconButton label={t("find.previous")} keys="Shift+Enter" onClick={() => ui.stepMatch(-1)}>
        <UpIcon />
      </IconButton>
      <IconButton label={t("find.next")} keys="Enter" onClick={() => ui.stepMatch(1)}>
        <DownIcon />
      </IconButton>
      <label className="check">
        <input type="checkbox" checked={find.matchCase} onChange={(event) => ui.findText({ matchCase: event.target.checked })} /> {t("find.match_case")}
      </label>
      <input value={find.replacement} placeholder={t("find.replacement")} aria-label={t("find.replacement")} disabled={!canEdit} onChange={(event) => ui.setFind({ replacement: event.target.value })} data-testid="find-replacement" />
      <Button onClick={() => ui.replaceMatches("this")} disabled={!canEdit || matches.length === 0}>
        {t("find.replace")}
      </Button>
      <Button onClick={() => ui.replaceMatches("all")} disabled={!canEdit || matches.length === 0} testId="replace-all">
        {t("find.replace_every")}
      </Button>
      <IconButton label={t("app.close")} onClick={close}>
        <CloseIcon />
      </IconButton>
    </search>
  );
}
