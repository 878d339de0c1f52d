import { useMemo, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { SessionLists } from "../files/SessionLists";
import { byRole, roleOf } from "../room/Members";
import { MyName } from "../room/MyName";
import { hueOf, initialsOf, nameOf } from "../room/names";
import { Button, IconButton } from "../ui/Button";
import { CloseIcon, DevicesIcon, OutlineIcon, PeopleIcon, VariablesIcon } from "../ui/icons";
import type { Key } from "../i18n";
import { useOpen, useSession, useUi } from "./context";
import type { Panel } from "./notebook_ui";
import { outlineOf } from "./slides";
import { Variables } from "./Variables";

const PANELS: { id: Panel; name: Key; icon: ReactNode }[] = [
  { id: "outline", name: "panel.outline", icon: <OutlineIcon /> },
  { id: "people", name: "panel.people", icon: <PeopleIcon /> },
  { id: "variables", name: "panel.variables", icon: <VariablesIcon /> },
  { id: "sessions", name: "panel.sessions", icon: <DevicesIcon /> },
];

export function PanelButtons() {
  const { t } = useTranslation();
  const { ui } = useOpen();
  const panel = useUi((state) => state.panel);
  return PANELS.map(({ id, name, icon }) => (
    <button key={id} type="button" className="icon-button" aria-label={t(name)} title={t(name)} aria-pressed={panel === id} onClick={() => ui.togglePanel(id)} data-testid={`panel-${id}`}>
      {icon}
    </button>
  ));
}

/** Beside the notebook, never over it. */
export function SidePanel() {
  const { t } = useTranslation();
  const { ui } = useOpen();
  const panel = useUi((state) => state.panel);
  const session = useSession((state) => state.sessionId);
  if (panel === null) return null;
  return (
    <aside className="side" aria-label={t("panel.label")} data-testid="side-panel">
      <div className="side-close">
        <IconButton label={t("app.close")} onClick={() => ui.togglePanel(panel)}>
          <CloseIcon />
        </IconButton>
      </div>
      {panel === "outline" && <Outline />}
      {panel === "people" && <People />}
      {panel === "variables" && <Variables />}
      {panel === "sessions" && <SessionLists except={session} />}
    </aside>
  );
}

function Outline() {
  const { t } = useTranslation();
  const { ui } = useOpen();
  const notebook = useSession((state) => state.notebook);
  const active = useUi((state) => state.active);
  const headings = useMemo(() => (notebook ? outlineOf(notebook) : []), [notebook]);
  return (
    <nav className="side-section" aria-label={t("panel.outline")} data-testid="outline">
      <h2>{t("panel.outline")}</h2>
      {headings.length === 0 && <p className="soft">{t("panel.no_headings")}</p>}
      <ul className="side-list">
        {headings.map((heading, at) => (
          <li key={at} style={{ paddingInlineStart: (heading.level - 1) * 14 }}>
            <button type="button" className="side-link" aria-current={heading.cellId === active || undefined} onClick={() => ui.show(heading.cellId)}>
              {heading.text}
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function People() {
  const { t } = useTranslation();
  const { ui, actions } = useOpen();
  const members = useSession((state) => state.room.members);
  const editor = useSession((state) => state.room.editor);
  const me = useSession((state) => state.clientId);
  const order = useSession((state) => state.notebook?.order);
  const mayGive = useSession((state) => state.capabilities.edit && !state.policy.multi_editor);
  const following = useUi((state) => state.following);
  const pointing = useUi((state) => state.pointing);
  const active = useUi((state) => state.active);
  const offered = useSession((state) => state.policy.actions);
  const canEdit = useSession((state) => state.capabilities.edit);
  return (
    <section className="side-section" aria-label={t("panel.people")} data-testid="people">
      <h2>{t("people.count", { count: members.length })}</h2>
      <ul className="side-list">
        {byRole(members, editor).map((member) => {
          const mine = member.client_id === me;
          const at = member.cell_id ? (order?.indexOf(member.cell_id) ?? -1) + 1 : 0;
          const followed = following === member.client_id;
          return (
            <li key={member.client_id} className="person" data-testid="person">
              <span className="avatar" aria-hidden="true" style={{ "--hue": hueOf(member.client_id) } as React.CSSProperties}>
                {initialsOf(member)}
              </span>
              <span className="side-name">
                {mine ? t("app.you", { name: nameOf(member) }) : nameOf(member)}
                <span className="soft side-device">
                  {[t(roleOf(member, editor)), member.label ? member.device : "", at > 0 ? t("people.at", { number: at }) : ""].filter(Boolean).join(" · ")}
                </span>
              </span>
              {!mine && (
                <Button onClick={() => ui.follow(followed ? null : member.client_id)} testId="follow">
                  {t(followed ? "people.unfollow" : "people.follow")}
                </Button>
              )}
              {mine && mayGive && (
                <span className="person-release">
                  <Button onClick={() => void actions.release()} testId="release">
                    {t("people.give_up")}
                  </Button>
                </span>
              )}
            </li>
          );
        })}
      </ul>
      <MyName />
      <div className="side-actions">
        <button type="button" className="button button-plain" aria-pressed={pointing} title={t("people.point_about")} onClick={() => ui.setPointing(!pointing)} data-testid="point">
          {t(pointing ? "people.point_stop" : "people.point")}
        </button>
        {canEdit && members.length > 1 && (
          <Button onClick={() => active && void actions.gather(active)} disabled={!active} title={t("people.gather_about")} testId="gather">
            {t("people.gather")}
          </Button>
        )}
      </div>
      {offered && offered.length > 0 && (
        <div className="side-actions" data-testid="policy-actions">
          {offered.map((action) => (
            <Button key={action.verb} onClick={() => void actions.act(action.verb)} disabled={action.tier === "edit" && !canEdit}>
              {action.label}
            </Button>
          ))}
        </div>
      )}
    </section>
  );
}
