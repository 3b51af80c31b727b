/** A guest that tells which boot it is in, and hangs when it is asked to. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machinery } from '../../../src/local/machines/stack-image.ts';
import { rootIn, withFiles } from './image.ts';
import { Guest, answerWithin } from './qemu.ts';

const PORT = 8080;
/** Booting, on the slowest machine. */
const BOOT_LIMIT_MS = 120_000;

export class HangingGuest {
  readonly guest: Guest;
  /** Answers 200 with the boot's id, while it does not hang. */
  readonly url: string;

  private constructor(guest: Guest) {
    this.guest = guest;
    this.url = `http://${guest.address}:${PORT}/cgi-bin/boot`;
  }

  /** Switched on. Its files are in `folder`. */
  static async start(machinery: Extract<Machinery, { kind: 'qemu' }>, folder: string): Promise<HangingGuest> {
    const scripts = join(rootIn(folder), 'www', 'cgi-bin');
    await mkdir(scripts, { recursive: true });
    // A kernel that panicked and is told to wait: QEMU goes on running it, and nothing in it answers.
    await script(join(scripts, 'hang'), 'echo c >/proc/sysrq-trigger');
    await script(
      join(scripts, 'boot'),
      'printf "content-type: text/plain\\r\\n\\r\\n"; cat /proc/sys/kernel/random/boot_id',
    );
    const initramfs = join(folder, 'initramfs');
    await withFiles(machinery.image.initramfs, rootIn(folder), initramfs);
    const guest = new Guest({
      folder: join(folder, 'guest'),
      boot: { kernel: machinery.image.kernel, initramfs, parameters: 'console=ttyS0 quiet panic=0 mitigations=off' },
      ports: [PORT],
    });
    await guest.start();
    return new HangingGuest(guest);
  }

  /** The id of its boot; undefined where it does not answer in time. */
  async boot(limitMs = BOOT_LIMIT_MS): Promise<string | undefined> {
    return answerWithin(this.url, limitMs);
  }

  async hang(): Promise<void> {
    await fetch(new URL('hang', this.url), { signal: AbortSignal.timeout(300) }).catch(() => undefined);
  }
}

async function script(path: string, text: string): Promise<void> {
  await writeFile(path, `#!/bin/busybox sh\n${text}\n`);
  await chmod(path, 0o755);
}
