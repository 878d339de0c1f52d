import type { JsonObject } from "../wire/host_types";
import type { Json } from "../wire/types";

/** One setting that a simple field can hold. */
export interface Field {
  name: string;
  kind: "text" | "number" | "yes_no" | "choice";
  whole: boolean;
  description: string;
  required: boolean;
  choices: Json[];
  /** As text; empty = the schema says none. */
  fallback: string;
  minimum?: number;
  maximum?: number;
}

const object = (value: Json | undefined): JsonObject | null => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : null);
const words = (value: Json | undefined) => (typeof value === "string" ? value : "");
export const asText = (value: Json | undefined) => (value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));

const plain = (value: Json) => value !== null && typeof value !== "object";

function fieldOf(name: string, schema: JsonObject, required: boolean): Field | null {
  const choices = Array.isArray(schema.enum) ? schema.enum : [];
  const kinds: Record<string, Field["kind"]> = { string: "text", integer: "number", number: "number", boolean: "yes_no" };
  const kind = choices.length > 0 && choices.every(plain) ? "choice" : kinds[words(schema.type)];
  if (!kind || (schema.enum !== undefined && kind !== "choice")) return null;
  return {
    name,
    kind,
    whole: schema.type === "integer",
    description: words(schema.description),
    required,
    choices,
    fallback: asText(schema.default),
    ...(typeof schema.minimum === "number" ? { minimum: schema.minimum } : {}),
    ...(typeof schema.maximum === "number" ? { maximum: schema.maximum } : {}),
  };
}

/** The fields of a flat object of simple values; null where only JSON can say it. */
export function fieldsOf(schema: JsonObject | null): Field[] | null {
  const properties = object(schema?.properties);
  if (!schema || !properties) return null;
  const needed = Array.isArray(schema.required) ? schema.required : [];
  const fields = Object.entries(properties).map(([name, one]) => fieldOf(name, object(one) ?? {}, needed.includes(name)));
  return fields.every((field): field is Field => field !== null) ? fields : null;
}

/** What the schema says of settings that have no field of their own. */
export function describedSettings(schema: JsonObject | null): { name: string; description: string }[] {
  return Object.entries(object(schema?.properties) ?? {}).map(([name, one]) => ({ name, description: words(object(one)?.description) }));
}

/** The policy's own words for what is not said: only what somebody set is sent. */
export function configOf(fields: Field[], values: Record<string, string>): JsonObject {
  const config: JsonObject = {};
  for (const field of fields) {
    const text = values[field.name] ?? "";
    if (text === "") continue;
    if (field.kind === "choice") config[field.name] = field.choices.find((choice) => asText(choice) === text) ?? text;
    else if (field.kind === "yes_no") config[field.name] = text === "true";
    // What is no number goes as it stands: the host says what is wrong with it, and where.
    else config[field.name] = field.kind === "number" && Number.isFinite(Number(text)) ? Number(text) : text;
  }
  return config;
}

/** The object that a text is, or null. */
export function parseObject(text: string): JsonObject | null {
  try {
    return object(JSON.parse(text.trim() || "{}") as Json);
  } catch {
    return null;
  }
}
