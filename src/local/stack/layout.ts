/** Where a stack keeps its files. Everything lies in its state folder, and a wipe removes exactly what is named here. */
import { dirname, join, resolve } from 'node:path';

/** The processes of a stack, in the order in which they start. */
export const STACK_PARTS = ['azurite', 'arm', 'host'] as const;

export type StackPart = (typeof STACK_PARTS)[number];

/** Absolute paths of a stack's files and folders. */
export interface Layout {
  readonly stateDir: string;
  /** Ports, keys and processes: `document.ts`. */
  readonly document: string;
  readonly lock: string;
  /** The account's connection string, a secret. */
  readonly connectionString: string;
  /** Settings of the local host; with secrets. */
  readonly settings: string;
  readonly armConfig: string;
  readonly armState: string;
  readonly azuriteData: string;
  readonly logs: string;
  readonly requestsLog: string;
  /** One file for each part that is ready. */
  readonly ready: string;
  /** Beside the state folder, so that several stacks share it; a wipe leaves it alone. */
  readonly cache: string;
}

export function layoutOf(stateDir: string): Layout {
  const folder = resolve(stateDir);
  const logs = join(folder, 'logs');
  return {
    stateDir: folder,
    document: join(folder, 'stack.json'),
    lock: join(folder, 'lock'),
    connectionString: join(folder, 'storage-connection'),
    settings: join(folder, 'local.settings.json'),
    armConfig: join(folder, 'arm.json'),
    armState: join(folder, 'arm'),
    azuriteData: join(folder, 'azurite'),
    logs,
    requestsLog: join(logs, 'requests.log'),
    ready: join(folder, 'ready'),
    cache: join(dirname(folder), 'cache'),
  };
}

export function logOf(layout: Layout, part: StackPart): string {
  return join(layout.logs, `${part}.log`);
}

export function readyFileOf(layout: Layout, part: StackPart): string {
  return join(layout.ready, part);
}

/** What a wipe removes. */
export function ownedBy(layout: Layout): readonly string[] {
  const { document, connectionString, settings, armConfig, armState, azuriteData, logs, ready } = layout;
  // The document last: whoever wipes again after a crash still finds a stack.
  return [connectionString, settings, armConfig, armState, azuriteData, logs, ready, document];
}
