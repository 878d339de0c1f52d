import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { defineConfig, type Plugin } from "vite";
import { precompress } from "./vite.precompress";

/** Packages import their style sheets for a page; the frame has those it needs as text (styles.ts). */
const noStyleSheets: Plugin = {
  name: "no-style-sheets",
  enforce: "pre",
  resolveId: (source) => (/\.css$/.test(source) ? "\0no-style-sheet" : null),
  load: (id) => (id === "\0no-style-sheet" ? "export default ''" : null),
};

/** Some look their version up in CommonJS' way, which is not known in a browser. */
const packageVersions: Plugin = {
  name: "package-versions",
  transform(code, id) {
    if (!code.includes("require('../package.json')")) return null;
    const { version } = JSON.parse(readFileSync(join(dirname(id), "../package.json"), "utf8")) as { version: string };
    return code.replace("require('../package.json')", JSON.stringify({ version }));
  },
};

/** The frame of widgets: one classic script with all it needs in it, since the frame fetches nothing. The page hands it over. */
export default defineConfig({
  publicDir: false,
  define: { "process.env.NODE_ENV": JSON.stringify("production"), "process.env": "{}", "process.platform": '""', global: "globalThis" },
  plugins: [noStyleSheets, packageVersions, precompress(["widget-frame.js"])],
  build: {
    target: "es2022",
    emptyOutDir: false,
    assetsInlineLimit: Number.MAX_SAFE_INTEGER,
    modulePreload: false,
    chunkSizeWarningLimit: 5000,
    rollupOptions: {
      // JupyterLab's packages bring along what is never called here: settings read as JSON5, a page's configuration.
      onwarn: (warning, warn) => {
        if (warning.code !== "EVAL" && warning.code !== "MISSING_EXPORT") return warn(warning);
        if (!(warning.id ?? "").includes("/node_modules/@jupyterlab/")) warn(warning);
      },
    },
    lib: { entry: "src/widgets/frame/main.ts", formats: ["iife"], name: "LecternWidgets", fileName: () => "widget-frame.js" },
  },
});
