/**
 * Debian 12 with systemd in QEMU, and commands run in it.
 *
 * Invariants: it begins from the same disk each time, and what it writes is gone with its folder; it reaches the host at
 * QEMU's own address and, port by port, as its own loopback.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Guest, HOST_FROM_GUEST } from '../guest/qemu.ts';
import { debianDisk } from './disk.ts';

/** Of files/leeward-door.socket. */
const DOOR_PORT = 8022;
/** Emulated, with all else that the machine is busy with: ten seconds where it is idle. */
const BOOT_LIMIT_MS = 180_000;
const COMMAND_LIMIT_MS = 120_000;
/** While it boots, a connection may be taken that nothing answers on. */
const TRY_LIMIT_MS = 5000;

/** How a script in the guest ended, and all that it wrote. */
export interface Said {
  readonly code: number;
  readonly text: string;
}

export class DebianGuest {
  readonly guest: Guest;

  private constructor(guest: Guest) {
    this.guest = guest;
  }

  /** Boots one that keeps its files in `folder`, until systemd says that all is up. */
  static async boot(folder: string): Promise<DebianGuest> {
    const { kernel, disk } = await debianDisk();
    await mkdir(folder, { recursive: true });
    const written = join(folder, 'written.qcow2');
    await promisify(execFile)('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', disk, written]);
    const guest = new Guest({
      folder,
      memoryMib: 1024,
      processors: 2,
      ports: [DOOR_PORT],
      reachesHost: true,
      more: [
        ...['-kernel', kernel, '-append', 'root=/dev/nvme0n1 rw console=ttyS0 quiet panic=-1 mitigations=off'],
        // Debian's cloud kernel has this kind of disk built in, and virtio's in modules, which would take an initramfs.
        ...['-drive', `id=root,if=none,format=qcow2,file=${written}`, '-device', 'nvme,drive=root,serial=root'],
      ],
    });
    await guest.start();
    const debian = new DebianGuest(guest);
    await debian.isUp();
    return debian;
  }

  /** Resolves once everything has started that starts at boot; rejects when something of it failed. */
  async isUp(): Promise<void> {
    const limitMs = performance.now() + BOOT_LIMIT_MS;
    for (;;) {
      try {
        await this.run('true', { limitMs: TRY_LIMIT_MS });
        break;
      } catch (error) {
        if (!this.guest.isRunning() || performance.now() > limitMs) {
          throw new Error(`the guest is not up: ${this.guest.console().slice(-2000)}`, { cause: error });
        }
        await sleep(500);
      }
    }
    const { text } = await this.run('systemctl is-system-running --wait; systemctl --failed --no-legend');
    assert.equal(text.trim(), 'running');
  }

  /** Runs a shell script in it as root, with `input` on standard input. Rejects when it does not end within the limit. */
  async run(script: string, of: { readonly input?: Uint8Array; readonly limitMs?: number } = {}): Promise<Said> {
    const socket = createConnection({ host: this.guest.address, port: DOOR_PORT });
    const signal = AbortSignal.timeout(of.limitMs ?? COMMAND_LIMIT_MS);
    signal.addEventListener('abort', () => socket.destroy(new Error(`no answer in time: ${script}`)));
    try {
      socket.write(`${Buffer.byteLength(script)}\n${script}`);
      socket.end(of.input ?? '');
      const parts: Buffer[] = [];
      socket.on('data', (part: Buffer) => parts.push(part));
      await once(socket, 'close');
      const text = Buffer.concat(parts).toString('utf8');
      const end = /\nexit (\d+)\n$/.exec(text);
      if (!end) throw new Error(`the guest did not answer: ${script}`);
      return { code: Number(end[1]), text: text.slice(0, end.index) };
    } finally {
      socket.destroy();
    }
  }

  /** The same for a script that must succeed; gives what it wrote. */
  async must(script: string, of: { readonly input?: Uint8Array; readonly limitMs?: number } = {}): Promise<string> {
    const { code, text } = await this.run(script, of);
    assert.equal(code, 0, `${script}\n${text}`);
    return text;
  }

  async put(path: string, content: Uint8Array | string, mode = '0600'): Promise<void> {
    const input = Buffer.from(content);
    await this.must(`mkdir -p "$(dirname '${path}')" && cat > '${path}' && chmod ${mode} '${path}'`, { input });
  }

  async putFile(path: string, from: string): Promise<void> {
    await this.put(path, await readFile(from));
  }

  /**
   * Lets the guest reach what the host has at 127.0.0.1:PORT under the very same address, until it boots again: addresses
   * that the host's cloud gives out hold in the guest then.
   */
  async reachHostAt(ports: readonly number[]): Promise<void> {
    const units = '/run/systemd/system';
    for (const port of ports) {
      await this.put(`${units}/host-${port}.socket`, `[Socket]\nListenStream=127.0.0.1:${port}\n`, '0644');
      const proxy = `/usr/lib/systemd/systemd-socket-proxyd ${HOST_FROM_GUEST}:${port}`;
      await this.put(`${units}/host-${port}.service`, `[Service]\nExecStart=${proxy}\n`, '0644');
    }
    await this.must(
      `systemctl daemon-reload && systemctl start ${ports.map((port) => `host-${port}.socket`).join(' ')}`,
    );
  }

  /** Ends it as a power cut would. */
  async stop(): Promise<void> {
    await this.guest.stop();
  }
}
