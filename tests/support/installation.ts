// An installation of its own, to see what a host does without some plugin.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { LECTERN } from './host';

export const BUILT = path.resolve(path.dirname(LECTERN), '../plugins');

/** The same executable, with the built plugins except `missing` beside it. */
export function installWithout(...missing: string[]): { folder: string; binary: string; plugins: string } {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-install-'));
  const binary = path.join(folder, 'bin/lectern');
  const plugins = path.join(folder, 'plugins');
  fs.mkdirSync(path.dirname(binary));
  fs.copyFileSync(LECTERN, binary);
  fs.copyFileSync(path.join(path.dirname(LECTERN), 'lectern-plugin-host'), path.join(path.dirname(binary), 'lectern-plugin-host'));
  fs.mkdirSync(plugins);
  fs.copyFileSync(path.join(BUILT, 'own-plugins.sha256'), path.join(plugins, 'own-plugins.sha256'));
  for (const id of fs.readdirSync(BUILT)) {
    if (missing.includes(id) || !fs.existsSync(path.join(BUILT, id, `${id}.plugin.json`))) continue;
    fs.cpSync(path.join(BUILT, id), path.join(plugins, id), { recursive: true });
  }
  return { folder, binary, plugins };
}
