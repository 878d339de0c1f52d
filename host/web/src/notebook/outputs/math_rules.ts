import type MarkdownIt from "markdown-it";

/** A closing dollar is not one that a space stands before or a digit behind: "$5 and $6" is money. */
const INLINE = /^\$(?![\s$])((?:\\.|[^\\$])+?)(?<![\s\\])\$(?!\d)/;
const ENVIRONMENT = /^\\begin\{([a-zA-Z]+\*?)\}[\s\S]*?\\end\{\1\}/;

/** `$…$`, `$$…$$` and LaTeX environments as elements of class `math` that hold their source; what typesets them comes later. */
export function mathRules(parser: MarkdownIt): void {
  parser.inline.ruler.before("escape", "math_inline", (state, silent) => {
    const rest = state.src.slice(state.pos, state.posMax);
    const display = /^\$\$([\s\S]+?)\$\$/.exec(rest);
    const found = display ?? INLINE.exec(rest);
    if (!found) return false;
    if (!silent) state.push(display ? "math_block" : "math_inline", "", 0).content = found[1]!;
    state.pos += found[0].length;
    return true;
  });
  parser.block.ruler.before(
    "fence",
    "math_block",
    (state, start, end, silent) => {
      const from = state.bMarks[start]! + state.tShift[start]!;
      const rest = state.src.slice(from, state.eMarks[end - 1]);
      const dollars = /^\$\$([\s\S]+?)\$\$[ \t]*(?=\n|$)/.exec(rest);
      const found = dollars ?? ENVIRONMENT.exec(rest);
      if (!found) return false;
      if (silent) return true;
      const lines = found[0].split("\n").length;
      const token = state.push("math_block", "", 0);
      token.block = true;
      token.content = dollars ? dollars[1]! : found[0];
      token.map = [start, start + lines];
      state.line = start + lines;
      return true;
    },
    { alt: ["paragraph", "blockquote", "list"] },
  );
  const escape = parser.utils.escapeHtml;
  parser.renderer.rules.math_inline = (tokens, at) => `<span class="math">${escape(tokens[at]!.content)}</span>`;
  parser.renderer.rules.math_block = (tokens, at) => `<span class="math math-block">${escape(tokens[at]!.content)}</span>`;
}
