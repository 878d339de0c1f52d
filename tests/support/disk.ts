// A disk for one host that fails when it is told to, and forgets what was never synced when the power goes
// (tests/crash/shim.hpp).
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Host, LECTERN, type HostOptions } from './host';

const LIBRARY = path.join(path.dirname(LECTERN), 'liblectern_forgetful_disk.so');

export class Disk {
  readonly base = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-disk-')));
  readonly root = path.join(this.base, 'root');
  readonly home = path.join(this.base, 'home');
  private readonly attic = `${this.base}.attic`;
  private readonly control = `${this.base}.control`;

  constructor() {
    for (const folder of [this.root, this.home, this.attic]) fs.mkdirSync(folder);
  }

  /** Starts a host on it. `plan`: tests/crash/plan.hpp. */
  start(options: HostOptions & { plan?: string } = {}): Promise<Host> {
    const { plan = '', env = {}, ...rest } = options;
    return Host.start({
      ...rest,
      root: this.root,
      home: this.home,
      env: {
        ...env,
        LD_PRELOAD: LIBRARY,
        LECTERN_DISK_PROGRAM: path.basename(LECTERN),
        LECTERN_DISK_ROOT: this.base,
        LECTERN_DISK_ATTIC: this.attic,
        LECTERN_DISK_PLAN: plan,
        LECTERN_DISK_CONTROL: this.control,
      },
    });
  }

  /** Starts a host on what is left, on a disk that works. */
  restart(options: HostOptions = {}): Promise<Host> {
    return Host.start({ ...options, root: this.root, home: this.home });
  }

  is(state: 'ENOSPC' | 'EIO' | 'EROFS' | 'well' | `kill ${number}`): void {
    fs.writeFileSync(`${this.control}.new`, state);
    fs.renameSync(`${this.control}.new`, this.control);
  }

  forget(): void {
    for (const left of [this.base, this.attic, this.control]) fs.rmSync(left, { recursive: true, force: true });
  }
}

/** A file system of a size of its own can be made here. */
export const mayMount = (() => {
  try {
    const folder = fs.mkdtempSync('/tmp/lectern-mount-');
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' });
      execFileSync('umount', [folder]);
      return true;
    } finally {
      fs.rmdirSync(folder);
    }
  } catch {
    return false;
  }
})();

/** Takes all there is left of the file system that `filler` is on. */
export function fill(filler: string) {
  const fd = fs.openSync(filler, 'w');
  try {
    for (const size of [1 << 20, 4096]) {
      try {
        for (;;) fs.writeSync(fd, Buffer.alloc(size));
      } catch (error: any) {
        if (error.code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    fs.closeSync(fd);
  }
}
