/**
 * A site in a namespace of its own: its agent, and its guard with an application that writes to the witness, each a process as
 * at a real site, on the local stack as the cloud.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addGuard } from '../../../src/app/registered-guards.ts';
import { groupKind } from '../../../src/documents/group.ts';
import type { GroupDocument } from '../../../src/documents/group.ts';
import { offeredGeneration, volumeKind } from '../../../src/documents/volume.ts';
import { parseGroup, parseVolume } from '../../../src/kernel/ids.ts';
import type { GroupRef } from '../../../src/kernel/ids.ts';
import { documents as names } from '../../../src/kernel/names.ts';
import { newGuardAccess, serializeGuardAccess } from '../../../src/site/guard/access.ts';
import { makeFolder } from '../../../src/system/durable-file.ts';
import { GuardFiles } from '../../../src/system/guard/files.ts';
import { writePrivateFile } from '../../../src/system/private-file.ts';
import { register } from '../integration/live-site.ts';
import type { LiveStack } from '../integration/live-stack.ts';
import { Namespace } from './namespace.ts';
import type { Witness } from './witness.ts';

const COMMAND = join(import.meta.dirname, '../../../src/cli/main.ts');
const WRITER = join(import.meta.dirname, 'writer.ts');
const NODE = 'north';
const VOLUME_BYTES = 512 * 8;

export interface NetworkSiteOptions {
  readonly stack: LiveStack;
  readonly witness: Witness;
  /** Its group is `acme/NAME/erp`, and it writes as NAME. */
  readonly name: string;
  readonly leaseMs: number;
  /** The longest pause of a node that the margin allows for, in milliseconds. */
  readonly pauseMs?: number;
  /** How long the guard lets the application stop, and how long it allows for killing it, in milliseconds. */
  readonly stopMs: number;
  readonly killMs: number;
}

export class NetworkSite {
  readonly name: string;
  readonly group: GroupRef;
  readonly network: Namespace;
  /** What agent and guard have said. */
  log = '';
  guard: ChildProcess;
  agent: ChildProcess;
  readonly files: GuardFiles;
  readonly #options: NetworkSiteOptions;
  readonly #application: string;

  private constructor(of: { options: NetworkSiteOptions; network: Namespace; application: string; files: GuardFiles }) {
    this.name = of.options.name;
    this.group = parseGroup(`acme/${this.name}/erp`);
    this.network = of.network;
    this.files = of.files;
    this.#options = of.options;
    this.#application = of.application;
    this.agent = this.beginAgent();
    this.guard = this.beginGuard();
  }

  /** Registers it, and begins its agent and its guard. */
  static async open(options: NetworkSiteOptions): Promise<NetworkSite> {
    const { facts } = options.stack;
    const ports = [facts.functionsUrl, facts.blobEndpoint, facts.queueEndpoint].map((url) => Number(new URL(url).port));
    const network = await Namespace.open(ports);
    try {
      return await NetworkSite.#registered(options, network);
    } catch (error) {
      await network.close();
      throw error;
    }
  }

  static async #registered(options: NetworkSiteOptions, network: Namespace): Promise<NetworkSite> {
    const { stack, witness, name, leaseMs, pauseMs } = options;
    const { storage, facts } = stack;
    const volume = `acme/${name}/erp/data`;
    const access = await register(stack, volume, {
      volumeBytes: VOLUME_BYTES,
      leaseMs,
      ...(pauseMs !== undefined && { pauseMs }),
    });
    const folder = join(stack.folder, 'sites', 'acme', name);
    const guards = join(folder, 'guards', NODE);
    await makeFolder(guards);
    const source = join(folder, 'data.img');
    await writeFile(source, Buffer.alloc(VOLUME_BYTES, name));
    await writePrivateFile(join(folder, 'access.json'), JSON.stringify({ ...access, volumes: [{ volume, source }] }));
    await writeFile(join(folder, 'leeward.yaml'), 'intervalMs: 2000\n');
    const key = await addGuard(storage, parseGroup(`acme/${name}/erp`), NODE);
    const guardAccess = newGuardAccess({ key, node: NODE, functionsUrl: facts.functionsUrl });
    await writePrivateFile(join(guards, 'access.json'), serializeGuardAccess(guardAccess));
    const url = await witness.listen(network.witnessAddress, name);
    const application = `exec '${process.execPath}' '${WRITER}' ${url}`;
    return new NetworkSite({ options, network, application, files: new GuardFiles(join(guards, 'erp')) });
  }

  beginAgent(): ChildProcess {
    return (this.agent = this.#run(['agent', '--site', `acme/${this.name}`]));
  }

  beginGuard(): ChildProcess {
    const { stopMs, killMs } = this.#options;
    return (this.guard = this.#run([
      ...['guard', 'run', `acme/${this.name}/erp`, '--node', NODE, '--application', this.#application],
      ...['--stop', String(stopMs / 1000), '--kill', String(killMs / 1000)],
    ]));
  }

  /** The cloud's document of its group. */
  async document(): Promise<GroupDocument> {
    return (await this.#options.stack.storage.documents.need(groupKind, names.group(this.group))).value;
  }

  /** Whether the cloud has a replica of its volume that it could start from. */
  async isReplicated(): Promise<boolean> {
    const volume = parseVolume(`acme/${this.name}/erp/data`);
    const { value } = await this.#options.stack.storage.documents.need(volumeKind, names.volume(volume));
    return (offeredGeneration(value)?.snapshots.length ?? 0) > 0;
  }

  /** The newest term in which its guard has promised to start nothing. */
  async promisedTerm(): Promise<number> {
    return (await this.files.read('record'))?.promisedTerm ?? 0;
  }

  async close(): Promise<void> {
    await this.network.close();
  }

  #run(args: readonly string[]): ChildProcess {
    const all = [COMMAND, '--state', this.#options.stack.folder, ...args];
    return this.network.run(process.execPath, all, (text) => (this.log += text));
  }
}

/** Kills one process, and waits until it is gone. */
export async function killNow(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
