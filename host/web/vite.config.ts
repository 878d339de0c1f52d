import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { precompress } from "./vite.precompress";

export default defineConfig({
  plugins: [react(), precompress()],
  build: {
    target: "es2022",
    // Everything is served by the host under a strict CSP: no inlined assets, so that the wasm and fonts stay plain files.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
  test: { include: ["tests/**/*.test.{ts,tsx}"], environment: "node" },
});
