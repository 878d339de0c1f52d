import mermaid from "mermaid";

let counter = 0;

/**
 * A Mermaid diagram as a picture. It is shown by an <img>, in which nothing of an SVG can run or fetch anything, whatever the diagram's
 * source made Mermaid write.
 */
export async function drawDiagram(source: string): Promise<{ url: string; width: number; height: number }> {
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: "strict",
    theme: dark ? "dark" : "neutral",
    htmlLabels: false,
    flowchart: { htmlLabels: false },
    fontFamily: "system-ui, sans-serif",
    suppressErrorRendering: true,
  });
  counter += 1;
  const { svg } = await mermaid.render(`lectern-diagram-${counter}`, source);
  const [, , width = 400, height = 300] = (/viewBox="([-\d.\s]+)"/.exec(svg)?.[1] ?? "").trim().split(/\s+/).map(Number);
  return { url: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`, width, height };
}
