import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** Writes `file.gz` beside what compresses well (of these files only, when some are named): the host serves it to browsers that take gzip, compressing nothing itself. */
export function precompress(only?: string[]): Plugin {
  const walk = (folder: string): string[] =>
    readdirSync(folder).flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? walk(path) : [path];
    });
  return {
    name: "precompress",
    apply: "build",
    writeBundle(options) {
      const folder = options.dir ?? "dist";
      for (const path of only?.map((name) => join(folder, name)) ?? walk(folder)) {
        if (!/\.(js|css|wasm|svg)$/.test(path)) continue;
        const bytes = readFileSync(path);
        const packed = gzipSync(bytes, { level: 9 });
        if (packed.length < bytes.length * 0.9) writeFileSync(`${path}.gz`, packed);
      }
    },
  };
}
