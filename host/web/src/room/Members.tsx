import type { Member } from "../wire/types";
import { useSession } from "../notebook/context";
import { hueOf, initialsOf, nameOf } from "./names";

const SHOWN = 5;

function roleWords(member: Member, editors: Set<string>): string {
  if (editors.has(member.client_id)) return "editing";
  return member.state && member.state !== "present" && member.state !== "connected" ? `reading, ${member.state}` : "reading";
}

/** Who is here. */
export function Members() {
  const members = useSession((state) => state.room.members);
  const editor = useSession((state) => state.room.editor);
  const me = useSession((state) => state.clientId);
  const editors = new Set(members.filter((member) => member.role === "editor").map((member) => member.client_id));
  if (editor) editors.add(editor.client_id);
  if (members.length === 0) return null;
  const sorted = [...members].sort((a, b) => Number(editors.has(b.client_id)) - Number(editors.has(a.client_id)));
  return (
    <ul className="members" aria-label={`${members.length} here`} data-testid="members" data-count={members.length}>
      {sorted.slice(0, SHOWN).map((member) => {
        const words = `${nameOf(member)}${member.client_id === me ? " (you)" : ""}, ${roleWords(member, editors)}`;
        return (
          <li key={member.client_id} className={`avatar ${editors.has(member.client_id) ? "avatar-editor" : ""}`} style={{ "--hue": hueOf(member.client_id) } as React.CSSProperties} title={words}>
            <span aria-hidden="true">{initialsOf(member)}</span>
            <span className="visually-hidden">{words}</span>
          </li>
        );
      })}
      {sorted.length > SHOWN && <li className="avatar avatar-more">+{sorted.length - SHOWN}</li>}
    </ul>
  );
}
