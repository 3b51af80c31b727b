/**
 * Making a delta whole that refers to content the cloud has already (docs/design.md, "By reference").
 *
 * Invariants: content counts only if its hash is the one that the reference carries; the result has the digest that the
 * delta states, so that it is the very delta as if it had been sent with all its bytes; what is referred to lies in the
 * journal container of the delta's own site, or in its own replica, and no name can lead anywhere else; each source is
 * read once, and one at a time, the replica in no more reads than the format allows, however many references a delta has.
 */
import { openDelta } from '../../delta/delta.ts';
import type { Delta } from '../../delta/delta.ts';
import type { OutsideReference } from '../../delta/extents.ts';
import { DELTA_LIMITS } from '../../delta/limits.ts';
import { literalsAt } from '../../delta/literals.ts';
import type { LiteralRange } from '../../delta/literals.ts';
import { priorReads } from '../../delta/prior-reads.ts';
import { rehydrate } from '../../delta/rehydrate.ts';
import type { EncodedDelta } from '../../delta/write.ts';
import { isFresh } from '../../documents/volume.ts';
import type { Generation } from '../../documents/volume.ts';
import { LeewardError, errorAbout, isLeewardError } from '../../kernel/errors.ts';
import { fewAtOnce } from '../../kernel/few-at-once.ts';
import type { EntryStore } from '../../ports/entries.ts';
import type { ReplicaStore } from '../../ports/replica-store.ts';

export interface ResolvePorts {
  readonly replicas: ReplicaStore;
  readonly entries: EntryStore;
}

/** Reads of the replica under way at once: each a MiB, or one reference's own content. */
const READS_AT_ONCE = 4;

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
  // Of content that is not there it is said that its length is not the one that is due.
  return rehydrate(sent, ({ index }) => content.get(index) ?? new Uint8Array(0));
}

/** What extents become, by their index. */
type Content = Map<number, Uint8Array>;

interface Wanted {
  readonly references: readonly OutsideReference[];
  readonly content: Content;
}

/** Reads what refers to the volume's own state before the delta, in no more requests than the format counts. */
async function readPrior(
  replicas: ReplicaStore,
  generation: Generation,
  { references, content }: Wanted,
): Promise<void> {
  for (const { at, lengthBytes } of references) {
    if (at + lengthBytes > generation.volumeBytes) {
      unresolvable(`${lengthBytes} bytes at ${at} of a volume of ${generation.volumeBytes}`);
    }
  }
  await fewAtOnce(READS_AT_ONCE, priorReads(references), async ({ offset, lengthBytes, references: together }) => {
    const bytes = await readRange(replicas, generation, { offset, lengthBytes });
    for (const reference of together) {
      const start = reference.at - offset;
      // What is read for one alone is kept as it is; of what several lie in no more than they need.
      const isAll = reference.lengthBytes === lengthBytes;
      content.set(reference.index, isAll ? bytes : bytes.slice(start, start + reference.lengthBytes));
    }
  });
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
  for (const [index, found] of literalsOf(place.blob, bytes, references).entries()) {
    const reference = references[index];
    if (reference) content.set(reference.index, found);
  }
}

function literalsOf(source: string, bytes: Uint8Array, ranges: readonly LiteralRange[]): readonly Uint8Array[] {
  try {
    return literalsAt(openDelta(bytes), ranges);
  } catch (error) {
    throw isLeewardError(error) ? errorAbout(`reference: "${source}"`, error) : error;
  }
}

function unresolvable(why: string): never {
  throw new LeewardError('DELTA_INVALID', `reference: ${why}`);
}
