import katex from "katex";

const PAIRS: [RegExp, boolean][] = [
  [/\$\$([\s\S]+?)\$\$/, true],
  [/\\\[([\s\S]+?)\\\]/, true],
  [/\$((?:[^$\\]|\\.)+?)\$/, false],
  [/\\\(([\s\S]+?)\\\)/, false],
];

function typesetText(node: Text): void {
  for (const [pattern, display] of PAIRS) {
    const found = pattern.exec(node.data);
    if (!found) continue;
    const rest = node.splitText(found.index);
    const after = rest.splitText(found[0].length);
    const made = document.createElement("span");
    // MathML needs no fonts, and every browser of today shows it.
    katex.render(found[1]!, made, { displayMode: display, output: "mathml", throwOnError: false });
    rest.replaceWith(made);
    typesetText(node);
    typesetText(after);
    return;
  }
}

/** Formulas in labels and Markdown of widgets, in place of MathJax, which would come from elsewhere. */
export const formulas = {
  typeset(element: HTMLElement): void {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    const texts: Text[] = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) texts.push(node as Text);
    for (const text of texts) if (!text.parentElement?.closest("code, pre, math, script, style")) typesetText(text);
  },
};
