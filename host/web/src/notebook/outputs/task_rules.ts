import type MarkdownIt from "markdown-it";

const TASK = /^\[([ xX])\]\s/;

/** `- [ ]` and `- [x]` as on GitHub, to be read: ticking is editing. Signs and not fields, which the sanitizer lets nobody have. */
export function taskRules(parser: MarkdownIt): void {
  parser.core.ruler.after("inline", "tasks", ({ tokens }) => {
    tokens.forEach((token, at) => {
      const [item, text] = [tokens[at - 2], token.children?.[0]];
      if (token.type !== "inline" || item?.type !== "list_item_open" || text?.type !== "text") return;
      const task = TASK.exec(text.content);
      if (!task) return;
      text.content = `${task[1] === " " ? "\u2610" : "\u2611"} ${text.content.slice(task[0].length)}`;
      item.attrJoin("class", "task");
    });
  });
}
