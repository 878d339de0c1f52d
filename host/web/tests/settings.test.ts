import { describe, expect, it } from "vitest";
import { configOf, fieldsOf, parseObject } from "../src/settings/config_form";
import { inWords } from "../src/settings/differences";
import type { JsonObject } from "../src/wire/host_types";

const QUEUE = {
  type: "object",
  properties: {
    turn_s: { description: "Length of a turn", type: "integer", minimum: 0, default: 300 },
    secondary: { enum: ["interactor", "viewer"] },
    loud: { type: "boolean" },
    name: { type: "string" },
  },
  required: ["name"],
};

describe("the fields of a schema", () => {
  it("are there for each simple setting, with what is needed to fill them", () => {
    expect(fieldsOf(QUEUE)!.map(({ name, kind, required, fallback }) => [name, kind, required, fallback])).toEqual([
      ["turn_s", "number", false, "300"],
      ["secondary", "choice", false, ""],
      ["loud", "yes_no", false, ""],
      ["name", "text", true, ""],
    ]);
  });

  it("are not there when one setting is a list, an object or of no type, nor without a schema", () => {
    const others: JsonObject[] = [{ type: "array" }, { type: "object" }, {}, { enum: [{ a: 1 }] }, { type: ["string", "null"] }];
    for (const one of others) expect(fieldsOf({ properties: { a: QUEUE.properties.name, b: one } })).toBeNull();
    expect(fieldsOf(null)).toBeNull();
    expect(fieldsOf({ type: "object" })).toBeNull();
  });

  it("become what was set, each in its type, and nothing of what was not", () => {
    const fields = fieldsOf(QUEUE)!;
    expect(configOf(fields, {})).toEqual({});
    expect(configOf(fields, { turn_s: "60", secondary: "viewer", loud: "false", name: "7" })).toEqual({ turn_s: 60, secondary: "viewer", loud: false, name: "7" });
    expect(configOf(fieldsOf({ properties: { level: { enum: [1, 2] } } })!, { level: "2" })).toEqual({ level: 2 });
    expect(configOf(fields, { turn_s: "soon" })).toEqual({ turn_s: "soon" });
  });

  it("in JSON are an object or nothing", () => {
    expect(parseObject(' {"a": [1]} ')).toEqual({ a: [1] });
    expect(parseObject("")).toEqual({});
    for (const wrong of ["[]", "null", "3", '{"a":']) expect(parseObject(wrong)).toBeNull();
  });
});

describe("differences in words", () => {
  it("name people where a name is known, and every effect the host writes", () => {
    const [row] = inWords({
      policy: "x",
      config: {},
      people: [{ number: 1, label: "Ann" }],
      differences: [{ event: "requested", who: 2, label: "Bob", now: [], then: ["grant to 1", "set_caps to 2 keeping nothing", "resolve request 4 deny : later", "notice to 3 : hello: you", "timer timer 1", "brand_new to 9"] }],
    });
    expect(row).toEqual({
      when: "Bob wants the pen",
      now: "nothing",
      then: "Ann may edit, then Bob may only watch, then the request is refused, then person 3 reads: hello: you, then a timer is set, then brand_new to 9",
    });
  });

  it("of several sessions have each session's own people", () => {
    const difference = { event: "installed", now: [], then: ["grant to 1"] };
    const people = (label: string) => [{ number: 1, label }];
    const rows = inWords({
      policy: "x",
      config: {},
      differences: [{ ...difference, session_id: "a" }, { ...difference, session_id: "b" }],
      sessions: [{ session_id: "a", ok: true, people: people("Ann") }, { session_id: "b", ok: true, people: people("Bob") }],
    });
    expect(rows.map((row) => row.then)).toEqual(["Ann may edit", "Bob may edit"]);
  });
});
