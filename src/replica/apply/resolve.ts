/**
 * Making a delta whole that refers to content the cloud has already (docs/design.md, "By reference").
 *
 * Invariants: content counts only if its hash is the one that the reference carries; the result has the digest that the
 * delta states, so that it is the very delta as if it had been sent with all its bytes; what is referred to lies in the
 * journal container of the delta's own site, or in its own replica, and no name can lead anywhere else; each source is
 * read once, and one at a time, however many references a delta has.
 */
import { openDelta } from '../../delta/delta.ts';
import type { Delta } from '../../delta/delta.ts';
import type { OutsideReference } from '../../delta/extents.ts';
import { DELTA_LIMITS } from '../../delta/limits.ts';
import { literalsAt } from '../../delta/literals.ts';
import { rehydrate } from '../../delta/rehydrate.ts';
import type { EncodedDelta } from '../../delta/write.ts';
import { isFresh } from '../../documents/volume.ts';
import type { Generation } from '../../documents/volume.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { KIB } from '../../kernel/units.ts';
import type { EntryStore } from '../../ports/entries.ts';
import { WRITE_BYTES_MAX } from '../../ports/replica-store.ts';
import type { ReplicaStore } from '../../ports/replica-store.ts';

export interface ResolvePorts {
  readonly replicas: ReplicaStore;
  readonly entries: EntryStore;
}

/** Bytes between two ranges of a replica that are rather read than skipped: a request costs more than they do. */
const READ_GAP_BYTES = 64 * KIB;

/**
 * `sent` with all its bytes, in a self-contained encoding. The generation's replica must stand at the state that the delta
 * starts from, and nobody may write it meanwhile. Errors: DELTA_INVALID when something referred to is not there (any
 * more), or not what the delta says; UNAVAILABLE.
 */
export async function resolve(ports: ResolvePorts, generation: Generation, sent: Delta): Promise<EncodedDelta> {
  const content: Content = new Map();
  const prior = sent.outside.filter((reference) => reference.kind === 'prior');
  await readPrior(ports.replicas, generation, { references: prior, content });
  const elsewhere = sent.outside.filter((reference) => reference.kind === 'journal');
  for (const [source, references] of Map.groupBy(elsewhere, (reference) => reference.source)) {
    await readSource(ports.entries, { ...generation.journal, blob: source }, { references, content });
  }
  return rehydrate(sent, ({ index }) => content.get(index) ?? unresolvable(`extent ${index}`));
}

/** What extents become, by their index. */
type Content = Map<number, Uint8Array>;

interface Wanted {
  readonly references: readonly OutsideReference[];
  readonly content: Content;
}

/** Reads what refers to the volume's own state before the delta, in few requests. */
async function readPrior(
  replicas: ReplicaStore,
  generation: Generation,
  { references, content }: Wanted,
): Promise<void> {
  const ascending = references.toSorted((a, b) => a.at - b.at);
  for (const { at, lengthBytes } of ascending) {
    if (at + lengthBytes > generation.volumeBytes) {
      unresolvable(`${lengthBytes} bytes at ${at} of a volume of ${generation.volumeBytes}`);
    }
  }
  for (const together of inReach(ascending)) {
    const offset = together[0]?.at ?? 0;
    const end = together.reduce((furthest, { at, lengthBytes }) => Math.max(furthest, at + lengthBytes), offset);
    const bytes = await readRange(replicas, generation, { offset, lengthBytes: end - offset });
    for (const reference of together) {
      const start = reference.at - offset;
      content.set(reference.index, bytes.slice(start, start + reference.lengthBytes));
    }
  }
}

/** Groups of neighbours that one read serves: none reaches over 4 MiB, but for a single one that is longer. */
function* inReach(ascending: readonly OutsideReference[]): Generator<OutsideReference[]> {
  let group: OutsideReference[] = [];
  let [start, end] = [0, 0];
  for (const reference of ascending) {
    const referenceEnd = reference.at + reference.lengthBytes;
    const isFar = reference.at > end + READ_GAP_BYTES || referenceEnd > start + WRITE_BYTES_MAX;
    if (group.length > 0 && isFar) {
      yield group;
      group = [];
    }
    if (group.length === 0) [start, end] = [reference.at, 0];
    group.push(reference);
    end = Math.max(end, referenceEnd);
  }
  if (group.length > 0) yield group;
}

async function readRange(
  replicas: ReplicaStore,
  generation: Generation,
  at: { offset: number; lengthBytes: number },
): Promise<Uint8Array> {
  if (isFresh(generation)) return new Uint8Array(at.lengthBytes);
  return replicas.read(generation.replica, at);
}

/** Copies what is referred to out of the literal bytes of one journal entry. */
async function readSource(
  entries: EntryStore,
  place: { account: string; container: string; blob: string },
  { references, content }: Wanted,
): Promise<void> {
  const bytes = await entries.read(place, DELTA_LIMITS.encodedBytesMax);
  if (!bytes) return unresolvable(`the journal has no "${place.blob}"`);
  for (const [index, found] of literalsAt(openDelta(bytes), references).entries()) {
    const reference = references[index];
    if (reference) content.set(reference.index, found);
  }
}

function unresolvable(why: string): never {
  throw new LeewardError('DELTA_INVALID', `reference: ${why}`);
}
