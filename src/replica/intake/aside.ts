/**
 * What was refused, kept aside for a look.
 *
 * Invariant: nothing that arrived is dropped in silence. The body is named by its hash, so that the same refusal that
 * is repeated is kept once; beside it stands why, in one line.
 */
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import { sha256Hex } from '../../kernel/hash.ts';
import { CONTAINERS, asideBlob } from '../../kernel/names.ts';
import type { EntryStore } from '../../ports/entries.ts';

export interface Refusal {
  /** `tenant/site`; undefined while nobody's signature was accepted. */
  readonly site: string | undefined;
  readonly body: Uint8Array;
  readonly code: string;
  readonly reason: string;
  readonly atMs: number;
}

/** Where what nobody signed for is kept. */
const UNVERIFIED = 'unverified';

/** Keeps a refusal; returns the name of the body's blob. Can be repeated. */
export async function setAside(entries: EntryStore, account: string, refusal: Refusal): Promise<string> {
  const { site = UNVERIFIED, body, code, reason, atMs } = refusal;
  const sha256 = sha256Hex(body);
  const place = (kind: 'reason.json' | 'body'): { account: string; container: string; blob: string } => ({
    account,
    container: CONTAINERS.aside,
    blob: asideBlob({ site, sha256, kind }),
  });
  await entries.create(place('body'), body);
  const told = { version: CURRENT_VERSION, code, reason, atMs };
  await entries.create(place('reason.json'), Buffer.from(`${JSON.stringify(told, undefined, 1)}\n`));
  return place('body').blob;
}
