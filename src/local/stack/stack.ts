/**
 * The local stack: everything that Leeward has in Azure, on this machine, as processes that outlive the command. Azurite is
 * the storage account, the local ARM the subscription, the local host the function app.
 *
 * Invariants: each call may be repeated and finishes what an earlier one, cut short, left; ports, keys and data stay the
 * same until a wipe; every file with a secret in it is its owner's alone; two stacks need only two state folders.
 */
import { existsSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { LeewardError } from '../../kernel/errors.ts';
import { makeFolder, writeDurably } from '../../system/durable-file.ts';
import { readPrivateFile, writePrivateFile } from '../../system/private-file.ts';
import type { HostKeys } from '../host/keys.ts';
import { findMachinery } from '../machines/stack-image.ts';
import {
  ACCOUNT_NAME,
  LOCAL_CLOUD,
  armConfigOf,
  blobEndpointOf,
  connectionStringOf,
  queueEndpointOf,
} from './cloud.ts';
import { newSecrets, portsFor, readStack, writeStack } from './document.ts';
import type { Stack } from './document.ts';
import { STACK_PARTS, layoutOf, logOf, ownedBy, readyFileOf } from './layout.ts';
import type { Layout, StackPart } from './layout.ts';
import { withLock } from './lock.ts';
import { endPart, ensureParts, runs } from './parts.ts';
import type { PartEnd } from './parts.ts';
import { isFree } from './ports.ts';
import { SETTINGS_NAME, settingsText } from './settings.ts';

export { countRequests, kindOf, readRequests } from './requests.ts';
export type { RequestKind, RequestWindow } from './requests.ts';
export type { LoggedRequest } from './access-log.ts';
export type { StackPart } from './layout.ts';
export type { PartEnd } from './parts.ts';

/** Where Core Tools listen unless told otherwise. */
export const CORE_TOOLS_URL = 'http://127.0.0.1:7071';

/** What a stack is made of. No credential is part of it: it may be printed. */
export interface StackFacts {
  readonly stateDir: string;
  readonly accountName: string;
  /** `http://127.0.0.1:PORT/ACCOUNT`, without a slash at the end. */
  readonly blobEndpoint: string;
  readonly queueEndpoint: string;
  /** File with the account's connection string; a secret, readable by its owner. */
  readonly connectionStringFile: string;
  /** Address of the function app, without /api. */
  readonly functionsUrl: string;
  readonly armUrl: string;
  readonly subscriptionId: string;
  readonly storageResourceGroup: string;
  readonly location: string;
  readonly imageId: string;
  readonly subnetId: string;
  /** Whether machines really boot, or why they do not. */
  readonly machinery: { readonly kind: 'qemu' } | { readonly kind: 'simulated'; readonly reason: string };
  readonly logFolder: string;
  /** The functions' settings, with secrets. */
  readonly settingsFile: string;
}

/** `died`: nobody asked it to end. `starting`: it runs, and is not ready or never will be. */
export type PartState = 'running' | 'starting' | 'stopped' | 'died';

export interface PartStatus {
  readonly part: StackPart;
  readonly state: PartState;
  readonly pid?: number;
  readonly log: string;
}

export interface StackStatus {
  readonly facts: StackFacts;
  /** In the order in which they start; without `host` where another host runs the functions. */
  readonly parts: readonly PartStatus[];
}

export interface UpOptions {
  /** Folder of the stack's own, made when it is missing. Its parent gets `cache`, and may have `kernel`. */
  readonly stateDir: string;
  /** Folder of the app that the local host runs: the project's own, or dist/app. */
  readonly appDir: string;
  /**
   * No local host: local.settings.json is written into `projectFolder`, and into dist/app there if that exists, for
   * Azure's own host, which answers at `functionsUrl`, by default where Core Tools listen.
   */
  readonly withoutHost?: { readonly projectFolder: string; readonly functionsUrl?: string };
  /** Settings beside those of local.settings.example.json, or in place of them. */
  readonly settings?: (facts: StackFacts) => Readonly<Record<string, string>>;
}

/**
 * Starts whatever of the stack does not run, and makes its containers and queues. A running host is started anew when its
 * app or settings are others now. Throws PLATFORM_FAILED for a part that does not come up, CONFLICT while another command
 * changes the stack; what was started by then stays.
 */
export async function upStack(options: UpOptions): Promise<StackFacts> {
  const layout = layoutOf(options.stateDir);
  const before = await readStack(layout);
  const wasInUse = before !== undefined && isInUse(before);
  for (let tries = 1; ; tries += 1) {
    try {
      return await upOnce(layout, options);
    } catch (error) {
      // Its other parts know the port that is lost: all of it is started anew, on others.
      if (wasInUse || tries === UP_TRIES || !(await hasLostPort(layout))) throw error;
      await downStack(options.stateDir);
    }
  }
}

/** So often in a row nobody takes a port between its choice and its use. */
const UP_TRIES = 3;

/** Whether a part does not run, and somebody else listens on a port of it. */
async function hasLostPort(layout: Layout): Promise<boolean> {
  const stack = await readStack(layout);
  if (!stack) return false;
  const { blob, queue, arm, host } = stack.ports;
  const portsOf = { azurite: [blob, queue], arm: [arm], host: [host] };
  const idle = STACK_PARTS.filter((part) => !runs(stack, part)).flatMap((part) => portsOf[part]);
  const free = await Promise.all(idle.map(isFree));
  return free.includes(false);
}

function isInUse(stack: Stack): boolean {
  return STACK_PARTS.some((part) => runs(stack, part));
}

async function upOnce(layout: Layout, options: UpOptions): Promise<StackFacts> {
  for (const folder of [layout.azuriteData, layout.armState, layout.logs, layout.ready]) await makeFolder(folder);
  return await withLock(layout, async () => {
    const before = await readStack(layout);
    const stack = await planStack(layout, before, options);
    await writeStack(layout, stack);
    const connectionString = connectionStringOf(stack);
    await writePrivateFile(layout.connectionString, connectionString);
    await ensureParts(layout, stack, ['azurite']);
    // Loaded here: most commands look at a stack, and need no storage SDK for it.
    await (await import('./storage.ts')).makeStorage(connectionString);

    const facts = factsOf(layout, stack);
    await writeSettings(stack, facts, options);
    const armConfig = armConfigOf(layout, stack.machinery);
    await writeDurably(layout.armConfig, `${JSON.stringify(armConfig, undefined, 2)}\n`);
    if (stack.appDir === undefined) await endPart(layout, stack, 'host');
    await ensureParts(layout, stack, partsOf(stack));
    return facts;
  });
}

/** The stack as it is to be; nothing is started. */
async function planStack(layout: Layout, before: Stack | undefined, options: UpOptions): Promise<Stack> {
  const inUse = before !== undefined && isInUse(before);
  const ports = inUse ? before.ports : await portsFor(before?.ports);
  const { accountKey, keySecret } = before ?? newSecrets();
  const kernelFolders = [join(dirname(layout.stateDir), 'kernel'), '/'];
  const { withoutHost } = options;
  return {
    version: 1,
    accountKey,
    keySecret,
    ports,
    // Machines of a running ARM stay what they are.
    machinery:
      before !== undefined && runs(before, 'arm')
        ? before.machinery
        : await findMachinery({ cacheFolder: layout.cache, kernelFolders }),
    parts: before?.parts ?? {},
    ...(withoutHost
      ? {
          functionsUrl: withoutHost.functionsUrl ?? CORE_TOOLS_URL,
          settingsFile: join(resolve(withoutHost.projectFolder), SETTINGS_NAME),
        }
      : {
          appDir: resolve(options.appDir),
          functionsUrl: `http://127.0.0.1:${ports.host}`,
          settingsFile: layout.settings,
        }),
  };
}

/** Writes the settings, which only their owner may read. */
async function writeSettings(stack: Stack, facts: StackFacts, options: UpOptions): Promise<void> {
  const connectionString = connectionStringOf(stack);
  const text = await settingsText({
    AzureWebJobsStorage: connectionString,
    LEEWARD_STORAGE: connectionString,
    LEEWARD_KEY_SECRET: stack.keySecret,
    LEEWARD_PUBLIC_URL: facts.functionsUrl,
    LEEWARD_SUBSCRIPTION_ID: facts.subscriptionId,
    LEEWARD_STORAGE_RESOURCE_GROUP: facts.storageResourceGroup,
    LEEWARD_ARM_ENDPOINT: facts.armUrl,
    ...options.settings?.(facts),
  });
  const packaged = join(dirname(stack.settingsFile), 'dist', 'app');
  if (options.withoutHost && existsSync(packaged)) await writePrivateFile(join(packaged, SETTINGS_NAME), text);
  await writePrivateFile(stack.settingsFile, text);
}

function partsOf(stack: Stack): readonly StackPart[] {
  return STACK_PARTS.filter((part) => part !== 'host' || stack.appDir !== undefined);
}

function factsOf(layout: Layout, stack: Stack): StackFacts {
  const { machinery } = stack;
  return {
    stateDir: layout.stateDir,
    accountName: ACCOUNT_NAME,
    blobEndpoint: blobEndpointOf(stack.ports),
    queueEndpoint: queueEndpointOf(stack.ports),
    connectionStringFile: layout.connectionString,
    functionsUrl: stack.functionsUrl,
    armUrl: `http://127.0.0.1:${stack.ports.arm}`,
    ...LOCAL_CLOUD,
    machinery: machinery.kind === 'qemu' ? { kind: 'qemu' } : machinery,
    logFolder: layout.logs,
    settingsFile: stack.settingsFile,
  };
}

/**
 * Ends every process of the stack, the host first, which finishes what is in work, and with `wipe` removes all that the
 * stack keeps. A stack that is down already, or never was, is well. Throws CONFLICT while another command changes it.
 */
export async function downStack(
  stateDir: string,
  options: { wipe?: boolean } = {},
): Promise<Readonly<Partial<Record<StackPart, PartEnd>>>> {
  const layout = layoutOf(stateDir);
  if ((await readStack(layout)) === undefined) return {};
  const ends = await withLock(layout, async () => {
    const stack = await existing(layout);
    const ended: Partial<Record<StackPart, PartEnd>> = {};
    for (const part of STACK_PARTS.toReversed()) ended[part] = await endPart(layout, stack, part);
    if (options.wipe === true) {
      for (const path of ownedBy(layout)) await rm(path, { recursive: true, force: true });
    }
    return ended;
  });
  // Only if nothing of anybody else's is in it.
  if (options.wipe === true) await rmdir(layout.stateDir).catch(() => undefined);
  return ends;
}

/** What the stack is and how each part does; undefined when there is none in the folder. Changes nothing. */
export async function statusOfStack(stateDir: string): Promise<StackStatus | undefined> {
  const layout = layoutOf(stateDir);
  const stack = await readStack(layout);
  if (stack === undefined) return undefined;
  const parts = partsOf(stack).map((part): PartStatus => {
    const log = logOf(layout, part);
    const mark = stack.parts[part];
    if (mark === undefined) return { part, state: 'stopped', log };
    if (!runs(stack, part)) return { part, state: 'died', log };
    return { part, state: existsSync(readyFileOf(layout, part)) ? 'running' : 'starting', pid: mark.pid, log };
  });
  return { facts: factsOf(layout, stack), parts };
}

/** Ends one part with `signal`, which becomes SIGKILL when it does not help; resolves when the process is gone. */
export async function stopPart(
  stateDir: string,
  part: StackPart,
  signal: NodeJS.Signals = 'SIGTERM',
): Promise<PartEnd> {
  return await changePart(stateDir, (layout, stack) => endPart(layout, stack, part, signal));
}

/** Starts one part as it was started before, on its port, and waits until it is ready; one that runs is well. */
export async function startPart(stateDir: string, part: StackPart): Promise<void> {
  await changePart(stateDir, (layout, stack) => ensureParts(layout, stack, [part]));
}

/** The connection string of the stack's storage account: a secret. */
export async function readStorageConnection(facts: StackFacts): Promise<string> {
  return (await readPrivateFile(facts.connectionStringFile)).trim();
}

/** Function key and master key of the local host: secrets. Throws REFUSED where another host runs the functions. */
export async function readFunctionKeys(facts: StackFacts): Promise<HostKeys> {
  const { appDir } = await existing(layoutOf(facts.stateDir));
  const { hostIdOf, readKeys } = await import('../host/keys.ts');
  const keys =
    appDir === undefined ? undefined : await readKeys(await readStorageConnection(facts), hostIdOf(appDir, {}));
  if (keys) return keys;
  throw new LeewardError(
    'REFUSED',
    `no local functions host made keys in ${facts.stateDir}: give those of the host in use`,
  );
}

async function changePart<T>(stateDir: string, change: (layout: Layout, stack: Stack) => Promise<T>): Promise<T> {
  const layout = layoutOf(stateDir);
  await existing(layout);
  return await withLock(layout, async () => await change(layout, await existing(layout)));
}

async function existing(layout: Layout): Promise<Stack> {
  const stack = await readStack(layout);
  if (stack) return stack;
  throw new LeewardError('NOT_FOUND', `there is no local stack in ${layout.stateDir}: leeward local up makes one`);
}
