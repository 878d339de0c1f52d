import type { Member } from "../wire/types";
import { useSession, useWords } from "../notebook/context";
import { hueOf, initialsOf, nameOf } from "./names";

/** The others who are at this cell. */
export function CellPeople({ id }: { id: string }) {
  const t = useWords();
  const members = useSession((state) => state.room.members);
  const me = useSession((state) => state.clientId);
  const here = members.filter((member: Member) => member.cell_id === id && member.client_id !== me);
  if (here.length === 0) return null;
  return (
    <ul className="cell-people" aria-label={t("people.here_too")}>
      {here.slice(0, 3).map((member) => (
        <li key={member.client_id} className="avatar avatar-small" style={{ "--hue": hueOf(member.client_id) } as React.CSSProperties} title={t("people.is_here", { name: nameOf(member) })}>
          <span aria-hidden="true">{initialsOf(member)}</span>
          <span className="visually-hidden">{nameOf(member)}</span>
        </li>
      ))}
    </ul>
  );
}
