import { say, type Key } from "../i18n";
import type { NumberedPerson, PolicyAnswer } from "../wire/host_types";

const EVENTS: Record<string, Key> = {
  installed: "settings.on_installed",
  joined: "settings.on_joined",
  left: "settings.on_left",
  lost: "settings.on_lost",
  returned: "settings.on_returned",
  changed: "settings.on_changed",
  requested: "settings.on_requested",
  withdrawn: "settings.on_withdrawn",
  answered: "settings.on_answered",
  ask_ended: "settings.on_ask_ended",
  released: "settings.on_released",
  activity: "settings.on_activity",
  timer: "settings.on_timer",
  action: "settings.on_action",
};

/** Of an effect as the host writes it, `grant to 3` or `set_caps to 2 keeping interact`, with the word that tells two of one name apart. */
const EFFECTS: Record<string, Key> = {
  "set_caps interact": "settings.does_interact",
  "set_caps nothing": "settings.does_watch",
  grant: "settings.does_grant",
  "vacate interact": "settings.does_vacate",
  "vacate nothing": "settings.does_vacate",
  "resolve allow": "settings.does_allow",
  "resolve deny": "settings.does_deny",
  ask: "settings.does_ask",
  unask: "settings.does_unask",
  timer: "settings.does_timer",
  notice: "settings.does_notice",
  show: "settings.does_show",
};

const EFFECT = /^(\w+)(?: to (\d+))?(?: request \d+)?(?: timer \d+)?(?: (allow|deny))?(?: keeping (interact|nothing))?(?: : ([\s\S]*))?$/;

function person(names: Map<number, string>, number: number | undefined): string {
  if (number === undefined) return say("settings.somebody");
  return names.get(number) || say("settings.person", { number });
}

function effectWords(effect: string, names: Map<number, string>): string {
  const [, name = "", target, verdict, keeping, text = ""] = EFFECT.exec(effect) ?? [];
  const key = EFFECTS[[name, verdict ?? keeping].filter(Boolean).join(" ")];
  return key ? say(key, { who: person(names, target ? Number(target) : undefined), text }) : effect;
}

/** Each difference as a sentence or two; a person whose name nobody knows is a number. */
export function inWords(answer: PolicyAnswer): { when: string; now: string; then: string }[] {
  const named = (people: NumberedPerson[] = []) => new Map(people.map((one) => [one.number, one.label]));
  const bySession = new Map((answer.sessions ?? []).map((one) => [one.session_id, named(one.people)]));
  const here = named(answer.people);
  return (answer.differences ?? []).map((one) => {
    const names = new Map(one.session_id === undefined ? here : bySession.get(one.session_id));
    if (one.who !== undefined && one.label) names.set(one.who, one.label);
    const list = (effects: string[]) => effects.map((effect) => effectWords(effect, names)).join(say("settings.and")) || say("settings.nothing");
    return {
      when: EVENTS[one.event] ? say(EVENTS[one.event]!, { who: person(names, one.who) }) : one.event,
      now: list(one.now),
      then: list(one.then),
    };
  });
}
