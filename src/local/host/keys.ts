/**
 * The app's keys: the master key, which opens everything, and the default key of all functions.
 *
 * Invariants: made at random when the app first starts on a storage account and kept there, in the form and place of
 * Azure's host (`azure-webjobs-secrets/<host id>/host.json`), in plain; two hosts that start together agree on one set;
 * keys are compared in constant time.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { basename } from 'node:path';
import { z } from 'zod';
import { LeewardError } from '../../kernel/errors.ts';
import type { AuthLevel } from './bindings.ts';
import { SECRETS_CONTAINER, createJson, openContainer, readJson } from './host-blobs.ts';
import type { Environment } from './settings.ts';

/** The keys of an app. Secrets: never printed. */
export interface HostKeys {
  readonly master: string;
  /** `functionKeys`, the key named `default`. */
  readonly functions: string;
}

const key = z.looseObject({ name: z.string(), value: z.string().min(1), encrypted: z.literal(false) });
const secrets = z.looseObject({ masterKey: key, functionKeys: z.array(key).min(1) });

/** Bytes of randomness in a key, as Azure's host takes. */
const KEY_BYTES = 40;

/**
 * The id under which the host keeps its blobs: `AzureFunctionsWebHost__hostid` where it is set, else one that follows
 * from the app's folder. At most 32 characters. Source: "Host ID considerations" in "Storage considerations for Azure
 * Functions".
 */
export function hostIdOf(appFolder: string, environment: Environment): string {
  const set = environment['AzureFunctionsWebHost__hostid'];
  if (set !== undefined && set !== '') return set.toLowerCase();
  const folder = realpathSync(appFolder);
  const readable = basename(folder)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '')
    .slice(0, 15);
  return `${readable}-${hash('sha256', folder).slice(0, 16)}`.replace(/^-/, '');
}

/** The keys of the host `hostId`; undefined before it first started. Throws DOCUMENT_INVALID, or what the SDK throws. */
export async function readKeys(connectionString: string, hostId: string): Promise<HostKeys | undefined> {
  const blob = (await openContainer(connectionString, SECRETS_CONTAINER))(`${hostId}/host.json`);
  const data = await readJson(blob);
  if (data === undefined) return undefined;
  const parsed = secrets.safeParse(data);
  const named = parsed.data?.functionKeys.find(({ name }) => name === 'default');
  if (!parsed.data || !named) {
    throw new LeewardError(
      'DOCUMENT_INVALID',
      `${SECRETS_CONTAINER}/${hostId}/host.json does not hold plain keys: delete it, and new ones are made`,
    );
  }
  return { master: parsed.data.masterKey.value, functions: named.value };
}

/** The keys of the host `hostId`, made when there are none. */
export async function ensureKeys(connectionString: string, hostId: string): Promise<HostKeys> {
  const found = await readKeys(connectionString, hostId);
  if (found) return found;
  const make = (name: string) => ({ name, value: randomBytes(KEY_BYTES).toString('base64url'), encrypted: false });
  const blob = (await openContainer(connectionString, SECRETS_CONTAINER))(`${hostId}/host.json`);
  await createJson(blob, { masterKey: make('master'), functionKeys: [make('default')], systemKeys: [] });
  const made = await readKeys(connectionString, hostId);
  if (!made) throw new LeewardError('CONFLICT', `${SECRETS_CONTAINER}/${hostId}/host.json vanished while it was made`);
  return made;
}

/** Whether the key that came with a request opens `level`. */
export function opens(keys: HostKeys, level: AuthLevel, given: string | undefined): boolean {
  if (level === 'anonymous') return true;
  if (given === undefined || given === '') return false;
  if (equal(given, keys.master)) return true;
  return level === 'function' && equal(given, keys.functions);
}

function equal(a: string, b: string): boolean {
  return timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'));
}
