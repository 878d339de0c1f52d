import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import type { Plugin } from "vite";
import { precompress } from "./vite.precompress";

/** Says in the page where the editor's code is: only a notebook's page wants it, and that before it is run. */
function editorAddress(): Plugin {
  return {
    name: "editor-address",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(_html, { bundle }) {
        const editor = Object.values(bundle ?? {}).find((one) => one.type === "chunk" && one.name === "CodeEditor");
        if (!editor) throw new Error("the build has no chunk CodeEditor");
        return [{ tag: "meta", attrs: { name: "lectern-editor", content: `/${editor.fileName}` }, injectTo: "head" }];
      },
    },
  };
}

export default defineConfig({
  plugins: [react(), editorAddress(), precompress()],
  build: {
    target: "es2022",
    // Everything is served by the host under a strict CSP: no inlined assets, so that the wasm and fonts stay plain files.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
  test: { include: ["tests/**/*.test.{ts,tsx}"], environment: "node" },
});
