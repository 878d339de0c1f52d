import { tags, type Tag } from "@lezer/highlight";

/** What of a program has which colour, in editors and wherever else code is shown; `--syn-NAME` in the style sheet. */
export const COLOURS: { name: string; tags: Tag[] }[] = [
  { name: "keyword", tags: [tags.keyword, tags.controlKeyword, tags.moduleKeyword, tags.operatorKeyword] },
  { name: "string", tags: [tags.string, tags.special(tags.string)] },
  { name: "number", tags: [tags.number, tags.bool, tags.null, tags.atom] },
  { name: "comment", tags: [tags.comment] },
  { name: "function", tags: [tags.function(tags.variableName), tags.function(tags.propertyName)] },
  { name: "definition", tags: [tags.definition(tags.variableName), tags.className] },
  { name: "type", tags: [tags.typeName, tags.self, tags.standard(tags.variableName)] },
  { name: "meta", tags: [tags.meta, tags.annotation] },
];
