import react from "@vitejs/plugin-react";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Writes `file.gz` beside what compresses well: the host serves it to browsers that take gzip, compressing nothing itself. */
function precompress(): Plugin {
  const walk = (folder: string): string[] =>
    readdirSync(folder).flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? walk(path) : [path];
    });
  return {
    name: "precompress",
    apply: "build",
    writeBundle(options) {
      for (const path of walk(options.dir ?? "dist")) {
        if (!/\.(js|css|wasm|svg)$/.test(path)) continue;
        const bytes = readFileSync(path);
        const packed = gzipSync(bytes, { level: 9 });
        if (packed.length < bytes.length * 0.9) writeFileSync(`${path}.gz`, packed);
      }
    },
  };
}

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
