/**
 * A QEMU guest for tests: any kernel and initramfs or disk, its console in a file, its control on a socket.
 *
 * Invariants: it is emulated, so that it runs alike everywhere; it is killed when this process dies; `stop` leaves nothing
 * running. Its ports are forwarded from an address of the loopback network that no other guest has.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { randomInt } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpConnection } from '../../../src/system/machine-control/qmp-connection.ts';

/** Programs that {@link Guest} runs, for `needs()`. */
export const GUEST_TOOLS = ['qemu-system-x86_64', 'setpriv'] as const;

/** The host, from a guest whose network is not restricted. Source: QEMU, "Network emulation", user mode. */
export const HOST_FROM_GUEST = '10.0.2.2';

const START_LIMIT_MS = 20_000;
const ANSWER_LIMIT_MS = 20_000;

export interface GuestOptions {
  /** The guest's own, made where it is missing. */
  readonly folder: string;
  /** Without it the guest boots from its first disk. */
  readonly boot?: { readonly kernel: string; readonly initramfs: string; readonly parameters?: string };
  readonly memoryMib?: number;
  readonly processors?: number;
  /** TCP ports of the guest that can be reached on {@link Guest.address}. */
  readonly ports?: readonly number[];
  /** Whether the guest may reach the host, at {@link HOST_FROM_GUEST}, and what the host reaches. */
  readonly reachesHost?: boolean;
  /** Virtio disks in this order, /dev/vda first. */
  readonly disks?: readonly { readonly file: string; readonly format: 'raw' | 'qcow2'; readonly readOnly?: boolean }[];
  /** Where its ports are; without it, an address of the loopback network that no other guest has. */
  readonly address?: string;
  /** Starts QEMU in a network of its own; without it, in this machine's. */
  readonly inside?: (command: string, args: readonly string[]) => ChildProcess;
  /** Whatever else QEMU is to be told. */
  readonly more?: readonly string[];
}

export class Guest {
  /** Where its ports are. */
  readonly address: string;
  /** A control socket for what is tested; {@link command} has one of its own. */
  readonly controlPath: string;
  readonly #commandPath: string;
  readonly #consolePath: string;
  readonly #options: GuestOptions;
  #child: ChildProcess | undefined;

  constructor(options: GuestOptions) {
    this.#options = options;
    this.address = options.address ?? `127.78.${randomInt(256)}.${randomInt(1, 255)}`;
    this.controlPath = join(options.folder, 'control.qmp');
    this.#commandPath = join(options.folder, 'command.qmp');
    this.#consolePath = join(options.folder, 'console.log');
  }

  /** Switches it on; its programs start after that. */
  async start(): Promise<void> {
    await mkdir(this.#options.folder, { recursive: true });
    for (const path of [this.controlPath, this.#commandPath]) await rm(path, { force: true });
    const child = (this.#options.inside ?? runHere)('qemu-system-x86_64', this.#commandLine());
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4096)));
    this.#child = child;
    const limitMs = performance.now() + START_LIMIT_MS;
    while (!existsSync(this.#commandPath)) {
      if (!this.isRunning() || performance.now() > limitMs) throw new Error(`the guest did not start: ${said}`);
      await sleep(20);
    }
  }

  isRunning(): boolean {
    return this.#child?.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** QEMU's process; undefined before {@link start}. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Tells QEMU something over its machine protocol; with `until`, resolves at that event. */
  async command(name: string, options: { readonly until?: string } = {}): Promise<unknown> {
    const qemu = await QmpConnection.open(this.#commandPath, AbortSignal.timeout(ANSWER_LIMIT_MS));
    try {
      return await qemu.execute(name, options);
    } finally {
      qemu.close();
    }
  }

  /** What it wrote to its console, of all its boots. */
  console(): string {
    return existsSync(this.#consolePath) ? readFileSync(this.#consolePath, 'utf8') : '';
  }

  /** Ends it as a power cut would. May be called twice. */
  async stop(): Promise<void> {
    if (!this.#child || !this.isRunning()) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  #commandLine(): string[] {
    const {
      boot,
      memoryMib = 256,
      processors = 1,
      ports = [],
      reachesHost = false,
      disks = [],
      more = [],
    } = this.#options;
    const forwards = ports.map((port) => `,hostfwd=tcp:${this.address}:${port}-:${port}`);
    const socket = (path: string): string[] => ['-qmp', `unix:${escaped(path)},server=on,wait=off`];
    return [
      ...['-machine', 'q35,accel=tcg', '-cpu', 'max', '-m', String(memoryMib), '-smp', String(processors)],
      ...['-nodefaults', '-no-user-config', '-display', 'none'],
      ...(boot ? ['-kernel', boot.kernel, '-initrd', boot.initramfs, '-append', boot.parameters ?? ''] : []),
      ...['-chardev', `file,id=console,append=on,path=${escaped(this.#consolePath)}`, '-serial', 'chardev:console'],
      ...['-netdev', `user,id=net,restrict=${reachesHost ? 'off' : 'on'}${forwards.join('')}`],
      ...['-device', 'virtio-net-pci,netdev=net,romfile='],
      ...socket(this.controlPath),
      ...socket(this.#commandPath),
      ...disks.flatMap(({ file, format, readOnly }, index) => [
        '-drive',
        `id=disk${index},if=none,format=${format},read-only=${readOnly === true ? 'on' : 'off'},file=${escaped(file)}`,
        '-device',
        `virtio-blk-pci,drive=disk${index}`,
      ]),
      ...more,
    ];
  }
}

function runHere(command: string, args: readonly string[]): ChildProcess {
  return spawn('setpriv', ['--pdeathsig=SIGKILL', command, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** QEMU separates options by commas; a comma in a value is doubled. */
function escaped(path: string): string {
  return path.replaceAll(',', ',,');
}

/** Waits until `url` answers 200, and gives its text; undefined when it does not within `limitMs`. */
export async function answerWithin(url: string, limitMs: number): Promise<string | undefined> {
  const endMs = performance.now() + limitMs;
  while (performance.now() < endMs) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
      if (response.status === 200) return await response.text();
    } catch {
      // Not there yet, or no more: asked again.
    }
    await sleep(100);
  }
  return undefined;
}
