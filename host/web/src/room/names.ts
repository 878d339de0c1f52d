import { say } from "../i18n";
import type { Person } from "../wire/types";

export function nameOf(person: Pick<Person, "label" | "device">): string {
  return person.label || person.device || say("app.somebody");
}

export function initialsOf(person: Pick<Person, "label" | "device">): string {
  const words = nameOf(person).split(/[\s_-]+/).filter(Boolean);
  const first = words[0]?.[0] ?? "?";
  const last = words.length > 1 ? (words[words.length - 1]?.[0] ?? "") : "";
  return (first + last).toUpperCase();
}

/** A steady hue per client, so that the same person has the same colour everywhere. */
export function hueOf(clientId: string): number {
  let hash = 2166136261;
  for (let at = 0; at < clientId.length; at += 1) hash = Math.imul(hash ^ clientId.charCodeAt(at), 16777619);
  return (hash >>> 0) % 360;
}
