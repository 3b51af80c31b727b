/**
 * A site's node as a machine: a guest with its guard from the bundle, in a network namespace of its own, so that its link to the
 * cloud can be cut while the witness is reached. Its application writes to the witness.
 */
import { appendFile, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addGuard } from '../../../src/app/registered-guards.ts';
import { groupKind } from '../../../src/documents/group.ts';
import type { GroupDocument } from '../../../src/documents/group.ts';
import { offeredGeneration, volumeKind } from '../../../src/documents/volume.ts';
import { isLeewardError } from '../../../src/kernel/errors.ts';
import { parseGroup, parseVolume } from '../../../src/kernel/ids.ts';
import { documents as names } from '../../../src/kernel/names.ts';
import { newGuardAccess, serializeGuardAccess } from '../../../src/site/guard/access.ts';
import type { SiteAccess } from '../../../src/site/send/access.ts';
import { Chance } from '../integration/chance.ts';
import { LiveSite, register } from '../integration/live-site.ts';
import type { LiveStack } from '../integration/live-stack.ts';
import { until } from '../integration/live-stack.ts';
import { Namespace } from '../network/namespace.ts';
import type { Witness } from '../network/witness.ts';
import { makeDisk } from './node-disk.ts';
import type { NodeMachine } from './node-disk.ts';
import { Guest, HOST_FROM_GUEST } from './qemu.ts';

const WRITER = join(import.meta.dirname, '../network/writer.ts');
const NODE = 'north';
const PORT = 8080;
const VOLUME_BYTES = 4096;
/** An emulated machine that has little of its host: booting, starting a guard, and all that. */
const LIMIT_MS = 300_000;

export interface GuestNodeOptions {
  readonly stack: LiveStack;
  readonly witness: Witness;
  readonly machine: NodeMachine;
  /** Its group is `acme/NAME/erp`, and it writes as NAME. */
  readonly name: string;
  readonly leaseMs: number;
  readonly pauseMs: number;
  readonly arm: 'process' | 'watchdog';
}

export class GuestNode {
  readonly name: string;
  readonly network: Namespace;
  readonly guest: Guest;
  readonly #options: GuestNodeOptions;

  private constructor(options: GuestNodeOptions, network: Namespace, guest: Guest) {
    this.#options = options;
    this.name = options.name;
    this.network = network;
    this.guest = guest;
  }

  /** Registers it, switches it on, and waits until its application writes. */
  static async open(options: GuestNodeOptions): Promise<GuestNode> {
    const { facts } = options.stack;
    const network = await Namespace.open([Number(new URL(facts.functionsUrl).port)]);
    try {
      const folder = join(options.stack.folder, `guest-${options.name}`);
      const disk = await stateDisk(options, network, folder);
      const guest = new Guest({
        folder,
        boot: { ...options.machine, parameters: 'console=ttyS0 quiet panic=-1 mitigations=off' },
        memoryMib: 512,
        ports: [PORT],
        reachesHost: true,
        address: network.siteAddress,
        inside: (command, args) =>
          network.run(command, args, (text) => void appendFile(join(folder, 'qemu.log'), text)),
        disks: [
          { file: options.machine.tools, format: 'raw', readOnly: true },
          { file: disk, format: 'raw' },
        ],
      });
      const node = new GuestNode(options, network, guest);
      await guest.start();
      await node.until('it writes', () => options.witness.first(options.name) !== undefined);
      return node;
    } catch (error) {
      await network.close();
      throw error;
    }
  }

  /** Runs a script in it, and gives what that says. */
  async sh(script: string): Promise<string> {
    const url = `http://${this.network.siteAddress}:${PORT}/cgi-bin/sh`;
    const answer = await fetch(url, { method: 'POST', body: script, signal: AbortSignal.timeout(60_000) });
    return (await answer.text()).trim();
  }

  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    await until(
      () => `${this.name}: ${what}\n${this.log}`,
      LIMIT_MS,
      async () => ((await isSo()) ? true : undefined),
    );
  }

  /** Its console. */
  get log(): string {
    return this.guest.console();
  }

  /** The cloud's document of its group. */
  async document(): Promise<GroupDocument> {
    const { documents } = this.#options.stack.storage;
    return (await documents.need(groupKind, names.group(parseGroup(`acme/${this.name}/erp`)))).value;
  }

  async close(): Promise<void> {
    await this.guest.stop();
    await this.network.close();
  }
}

/** The node's own disk: the guard's folder, and what is begun at every boot. */
async function stateDisk(options: GuestNodeOptions, network: Namespace, folder: string): Promise<string> {
  const { stack, witness, name, leaseMs, pauseMs, arm } = options;
  const group = `acme/${name}/erp`;
  const site = await register(stack, `${group}/data`, { volumeBytes: VOLUME_BYTES, leaseMs, pauseMs });
  await replicate(stack, `${group}/data`, { access: site, folder: join(folder, 'site') });
  const key = await addGuard(stack.storage, parseGroup(group), NODE);
  const { port } = new URL(stack.facts.functionsUrl);
  const access = newGuardAccess({ key, node: NODE, functionsUrl: `http://${HOST_FROM_GUEST}:${port}` });
  const state = join(folder, 'state');
  const guards = join(state, 'leeward', 'sites', 'acme', name, 'guards', NODE);
  await mkdir(guards, { recursive: true });
  await writeFile(join(guards, 'access.json'), serializeGuardAccess(access), { mode: 0o600 });
  const url = await witness.listen(network.witnessAddress, name);
  await copyFile(WRITER, join(state, 'writer.ts'));
  await writeFile(
    join(state, 'begin'),
    `exec node /opt/lib/leeward.mjs --state /state/leeward guard run ${group} --node ${NODE} --application 'exec node /state/writer.ts ${url}' --stop 1 --kill 1 --arm ${arm}\n`,
  );
  const disk = join(folder, 'state.ext4');
  await makeDisk(disk, 16, state);
  return disk;
}

/** A failover needs something to start from. Whose disk that is does not matter here. */
async function replicate(stack: LiveStack, volume: string, of: { access: SiteAccess; folder: string }): Promise<void> {
  await mkdir(of.folder, { recursive: true });
  const site = await LiveSite.open(of);
  try {
    const live = await site.addVolume(volume, {
      chance: new Chance(1, volume),
      sizeBytes: VOLUME_BYTES,
      resendAfterMs: 20_000,
    });
    await until(
      () => `${volume} is replicated`,
      LIMIT_MS,
      async () => {
        await live.interval().catch((error: unknown) => {
          // Until the cloud has said which generation to make.
          if (!isLeewardError(error, 'UNAVAILABLE')) throw error;
        });
        await site.siteLink.round();
        const { value } = await stack.storage.documents.need(volumeKind, names.volume(parseVolume(volume)));
        return (offeredGeneration(value)?.snapshots.length ?? 0) > 0 ? true : undefined;
      },
    );
  } finally {
    await site.close();
  }
}
