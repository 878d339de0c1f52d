// TypeScript of the host's own specifications: what its answers and events look like, as openapi.json and asyncapi.json
// say. src/wire/spec.ts is what it wrote last; src/wire/spec_check.ts holds the page's own types to it, and
// tests/wire/http.test.ts fails when a host no longer says what is in it.
//   node scripts/spec_types.mjs http://127.0.0.1:8899 [TOKEN] > src/wire/spec.ts
//   node scripts/spec_types.mjs http://127.0.0.1:8899 TOKEN src/wire/spec.ts     says what of it no longer holds
import { readFileSync } from "node:fs";
import { argv, stdout } from "node:process";

const name = (text) => (/^[A-Za-z_$][\w$]*$/.test(text) ? text : JSON.stringify(text));

/** One schema of JSON Schema 2020-12, as far as the host uses it. */
function type(schema, indent = "") {
  if (schema === undefined || schema === true || Object.keys(schema).length === 0) return "Json";
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.map((one) => type(one, indent)).join(" | ");
  if (schema.allOf) return schema.allOf.map((one) => type(one, indent)).join(" & ");
  if (Array.isArray(schema.type)) return schema.type.map((one) => type({ ...schema, type: one }, indent)).join(" | ");
  switch (schema.type) {
    case "integer":
    case "number":
      return "number";
    case "string":
    case "boolean":
    case "null":
      return schema.type;
    case "array":
      return `(${type(schema.items, indent)})[]`.replace(/^\((\w+)\)/, "$1");
    case "object":
      return object(schema, indent);
    default:
      return "Json";
  }
}

function object(schema, indent) {
  if (!schema.properties) {
    const values = schema.additionalProperties;
    return values && typeof values === "object" ? `Record<string, ${type(values, indent)}>` : "JsonObject";
  }
  const required = new Set(schema.required ?? []);
  const inner = `${indent}  `;
  // One line each: what is added to a specification adds lines, and changes none.
  const lines = Object.entries(schema.properties).flatMap(([key, value]) => [
    ...(value.description ? [`${inner}/** ${value.description.replaceAll("*/", "* /")} */`] : []),
    `${inner}${name(key)}${required.has(key) ? "" : "?"}: ${type(value, inner)};`,
  ]);
  return ["{", ...lines, `${indent}}`].join("\n");
}

/** What is written in the file and no host says any more, line by line: empty when the page can rely on it. */
function missing(written, said) {
  const lines = said.split("\n");
  let at = 0;
  return written.split("\n").filter((line) => {
    if (line.trim().startsWith("/**")) return false; // words may change
    const found = lines.indexOf(line, at);
    if (found >= 0) at = found + 1;
    return found < 0;
  });
}

/** The text of the file. */
function specTypes(openapi, asyncapi) {
  const out = [
    "// Written by scripts/spec_types.mjs from the host's openapi.json and asyncapi.json. Do not edit.",
    "",
    "export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };",
    "export type JsonObject = { [key: string]: Json };",
    "",
  ];
  for (const [id, schema] of Object.entries(openapi.components.schemas)) out.push(`export type ${id} = ${type(schema)};`, "");
  const of = (prefix) =>
    Object.entries(asyncapi.components.messages)
      .filter(([id]) => id.startsWith(prefix))
      .map(([id, message]) => [id.slice(prefix.length), message.payload]);
  out.push("/** The data of each event, by op. */", "export interface Events {");
  for (const [op, payload] of of("event.")) out.push(`  ${name(op)}: ${type(payload.properties.data, "  ")};`);
  out.push("}", "", "/** The body of each command, by name. */", "export interface Commands {");
  for (const [command, payload] of of("command.")) out.push(`  ${name(command)}: ${type(payload.properties.body, "  ")};`);
  out.push("}", "");
  return out.join("\n");
}

const [, , host, token, check] = argv;
const get = async (path) =>
  (await fetch(`${host}/api/v1/${path}`, { headers: token ? { Authorization: `Bearer ${token}` } : {} })).json();
const said = specTypes(await get("openapi.json"), await get("asyncapi.json"));
if (check) {
  stdout.write(missing(readFileSync(check, "utf8"), said).join("\n"));
} else {
  stdout.write(said);
}
