import { useTranslation } from "react-i18next";
import { useSession } from "../notebook/context";
import type { SessionState } from "../store/session_state";
import type { Member } from "../wire/types";
import type { Key } from "../i18n";
import { hueOf, initialsOf, nameOf } from "./names";

const SHOWN = 5;

export function roleOf(member: Member, editor: SessionState["room"]["editor"]): Key {
  if (member.role === "editor" || member.client_id === editor?.client_id) return "people.editing";
  return member.state && member.state !== "present" && member.state !== "connected" ? "people.away" : "people.reading";
}

export function byRole(members: readonly Member[], editor: SessionState["room"]["editor"]): Member[] {
  const edits = (member: Member) => Number(roleOf(member, editor) === "people.editing");
  return [...members].sort((a, b) => edits(b) - edits(a));
}

/** Who is here. */
export function Members() {
  const { t } = useTranslation();
  const members = useSession((state) => state.room.members);
  const editor = useSession((state) => state.room.editor);
  const me = useSession((state) => state.clientId);
  if (members.length === 0) return null;
  const sorted = byRole(members, editor);
  return (
    <ul className="members" aria-label={t("people.count", { count: members.length })} data-testid="members" data-count={members.length}>
      {sorted.slice(0, SHOWN).map((member) => {
        const name = member.client_id === me ? t("app.you", { name: nameOf(member) }) : nameOf(member);
        const role = roleOf(member, editor);
        const words = `${name}, ${t(role)}`;
        return (
          <li key={member.client_id} className={`avatar ${role === "people.editing" ? "avatar-editor" : ""}`} style={{ "--hue": hueOf(member.client_id) } as React.CSSProperties} title={words}>
            <span aria-hidden="true">{initialsOf(member)}</span>
            <span className="visually-hidden">{words}</span>
          </li>
        );
      })}
      {sorted.length > SHOWN && <li className="avatar avatar-more">+{sorted.length - SHOWN}</li>}
    </ul>
  );
}
