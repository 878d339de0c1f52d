import lumino from "@lumino/widgets/style/index.css?inline";
import variables from "@jupyter-widgets/controls/css/labvariables.css?inline";
import base from "@jupyter-widgets/base/css/index.css?inline";
import controls from "@jupyter-widgets/controls/css/widgets-base.css?inline";
import rendermime from "@jupyterlab/rendermime/style/base.css?inline";
import outputarea from "@jupyterlab/outputarea/style/base.css?inline";
import icons from "@fortawesome/fontawesome-free/css/all.min.css?raw";
import shims from "@fortawesome/fontawesome-free/css/v4-shims.min.css?raw";
import solid from "@fortawesome/fontawesome-free/webfonts/fa-solid-900.woff2?inline";

/** The icons' style sheet, with one font within it in place of fifteen files beside it. */
function awesome(): string {
  const rules = (icons + shims).replace(/@font-face\s*{[^}]*}/g, "");
  return `${rules}\n@font-face { font-family: "Font Awesome 5 Free"; font-weight: 900; src: url(${solid}) format("woff2"); }`;
}

const OWN = `
:root {
  --jp-ui-font-color0: var(--text); --jp-ui-font-color1: var(--text); --jp-ui-font-color2: var(--text-soft); --jp-ui-font-color3: var(--text-soft);
  --jp-content-font-color0: var(--text); --jp-content-font-color1: var(--text); --jp-content-font-color2: var(--text-soft); --jp-content-font-color3: var(--text-soft);
  --jp-layout-color0: var(--surface); --jp-layout-color1: var(--surface); --jp-layout-color2: var(--surface-soft); --jp-layout-color3: var(--border);
  --jp-border-color0: var(--border); --jp-border-color1: var(--border); --jp-border-color2: var(--border); --jp-border-color3: var(--border);
  --jp-ui-font-family: var(--sans); --jp-content-font-family: var(--sans); --jp-code-font-family: var(--mono); --jp-code-font-size: 13px;
  --jp-ui-font-size1: 13px; --jp-content-font-size1: 14px; --jp-content-line-height: 1.5; --jp-code-line-height: 1.4;
}
.jp-OutputPrompt, .jp-OutputArea-promptOverlay { display: none; }
.jp-OutputArea-child, .jp-OutputArea-output { overflow: visible; }
.jp-RenderedText pre, .jp-RenderedHTMLCommon pre { margin: 0; white-space: pre-wrap; font-family: var(--mono); font-size: 13px; }
.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"] { background: var(--surface-soft); }
.jupyter-widgets { color: var(--text); }
`;

export function styles(): string {
  return [lumino, rendermime, outputarea, variables, base, controls, awesome(), OWN].join("\n");
}
