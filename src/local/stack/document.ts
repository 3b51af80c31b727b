/**
 * What a stack remembers: its ports and secrets, which stay, and its processes. A file that nobody but its owner may read.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { LeewardError } from '../../kernel/errors.ts';
import { checkStored, parseJson } from '../../kernel/json.ts';
import { readIfThere } from '../../system/durable-file.ts';
import { writePrivateFile } from '../../system/private-file.ts';
import { armConfigSchema } from '../arm/config.ts';
import { STACK_PARTS } from './layout.ts';
import type { Layout } from './layout.ts';
import { choosePort, isFree } from './ports.ts';
import { processSchema } from '../../system/processes.ts';

const portsSchema = z.strictObject({
  blob: z.int().positive(),
  queue: z.int().positive(),
  arm: z.int().positive(),
  host: z.int().positive(),
});

export type Ports = z.infer<typeof portsSchema>;

const stackSchema = z.strictObject({
  version: z.literal(1),
  /** Key of the storage account, made at random: no other program of this machine knows it. */
  accountKey: z.base64(),
  /** LEEWARD_KEY_SECRET. Kept, since the keys of sites follow from it. */
  keySecret: z.base64(),
  ports: portsSchema,
  /** Folder of the app that the local host runs; missing where another host runs it. */
  appDir: z.string().optional(),
  functionsUrl: z.url(),
  settingsFile: z.string(),
  machinery: armConfigSchema.shape.images.element.shape.machinery,
  parts: z.partialRecord(
    z.enum(STACK_PARTS),
    processSchema.extend({
      /** Where its log began when it was started, bytes. */
      logFrom: z.int().min(0),
      /** Hash of what it was started with. */
      startedWith: z.string(),
    }),
  ),
});

export type Stack = z.infer<typeof stackSchema>;

/** The stack in a state folder; undefined when there is none. Throws DOCUMENT_INVALID. */
export async function readStack(layout: Layout): Promise<Stack | undefined> {
  const bytes = await readIfThere(layout.document);
  if (bytes === undefined) return undefined;
  const data = parseJson(bytes.toString('utf8'));
  // Without a cause, which would quote the text: there are keys in it.
  if (data === undefined) throw new LeewardError('DOCUMENT_INVALID', `${layout.document} is not JSON`);
  return checkStored(data, { what: layout.document, schema: stackSchema });
}

export async function writeStack(layout: Layout, stack: Stack): Promise<void> {
  await writePrivateFile(layout.document, `${JSON.stringify(stackSchema.parse(stack), undefined, 2)}\n`);
}

/** Secrets of a new stack. */
export function newSecrets(): Pick<Stack, 'accountKey' | 'keySecret'> {
  return { accountKey: randomBytes(64).toString('base64'), keySecret: randomBytes(32).toString('base64') };
}

/**
 * Ports for a stack of which nothing runs: those that it had, as addresses in documents and in sites' files name them, but
 * others for those that somebody else has taken.
 */
export async function portsFor(before: Ports | undefined): Promise<Ports> {
  const taken: number[] = before ? Object.values(before) : [];
  const port = async (had: number | undefined): Promise<number> => {
    if (had !== undefined && (await isFree(had))) return had;
    const chosen = await choosePort(taken);
    taken.push(chosen);
    return chosen;
  };
  return {
    blob: await port(before?.blob),
    queue: await port(before?.queue),
    arm: await port(before?.arm),
    host: await port(before?.host),
  };
}
