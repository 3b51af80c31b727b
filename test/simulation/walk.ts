/**
 * A seeded walk over the chain's transitions alone (src/replica/chain/chain.ts): writers that fork, deltas that arrive in any
 * order, terms that end and begin, and no storage at all.
 *
 * It is there for two simplifications that no wrapper around a port can bring about. A digest without history is made by
 * whoever encodes a delta and is checked by the decoder, inside the engine; and that a delta names no term shows only
 * once the next term has begun, for which production has no transition yet: {@link beginTerm} is this walk's own, as
 * docs/design.md has it.
 *
 * Invariants held against each delta that is applied: the content is what its writer's was after it; it is of the term
 * that runs.
 */
import { checkDelta } from '../../src/delta/delta.ts';
import type { DeltaHead } from '../../src/delta/head.ts';
import { Documents } from '../../src/documents/store.ts';
import { currentGeneration, volumeKind, withGeneration } from '../../src/documents/volume.ts';
import type { VolumeDocument } from '../../src/documents/volume.ts';
import { NO_DIGEST, sha256Hex } from '../../src/kernel/hash.ts';
import { advanceTip, endTerm, finishClaim, positionOf, withClaim } from '../../src/replica/chain/chain.ts';
import { MemoryState } from '../support/memory/state.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import { SeededRandom } from './random.ts';
import { Scheduler } from './scheduler.ts';

export type WalkFault = 'digest-without-history' | 'delta-without-term';

/** Few pages and few contents, so that writers who know nothing of each other write the same now and then. */
const PAGES = 2;
const CONTENTS = 2;
const STEPS = 100;

/** A delta on its way, with what only its writer knows. */
interface Parcel {
  readonly head: DeltaHead;
  /** The one page that it writes, and with what. */
  readonly page: number;
  readonly byte: number;
  /** What the volume was after it, for its writer. */
  readonly after: string;
}

interface Writer {
  readonly term: number;
  /** What it has by number, from 0: the digest, and each page's content. */
  readonly states: { readonly digest: string; readonly pages: readonly number[] }[];
}

/** Runs the seed; undefined when all that must hold held, else what did not. */
export async function walk(seed: number, fault?: WalkFault): Promise<string | undefined> {
  const random = new SeededRandom(seed);
  const { document: start, head: template } = await START;
  let document = start;
  const replica = Array.from({ length: PAGES }, () => 0);
  const writers: Writer[] = [{ term: 1, states: [{ digest: NO_DIGEST, pages: [...replica] }] }];
  const waiting: Parcel[] = [];
  for (let step = 0; step < STEPS; step += 1) {
    const writer = random.pick(writers);
    const chance = random.next();
    if (chance < 0.1)
      writers.push({ term: writer.term, states: upTo(writer, random.between(0, writer.states.length - 1)) });
    else if (chance < 0.13) document = nextTerm(document, writers);
    else waiting.push(make(writer, { random, template, fault }));
    if (waiting.length === 0) continue;

    const parcel = random.pick(waiting);
    const head = fault === 'delta-without-term' ? { ...parcel.head, term: document.term } : parcel.head;
    const position = positionOf(document, head);
    if (position.at !== 'early') waiting.splice(waiting.indexOf(parcel), 1);
    if (position.at !== 'next') continue;
    document = applied(document, head);
    replica[parcel.page] = parcel.byte;
    const { number, term } = parcel.head;
    if (term !== document.term) return `delta ${number} of term ${term} was applied in term ${document.term}`;
    if (replica.join() !== parcel.after) return `delta ${number} was applied on another history`;
  }
  return undefined;
}

/** A registered volume, and the head of a delta of it: what is not overwritten is as production makes it. */
const START = (async () => {
  const site = new SiteFixture();
  const documents = new Documents(new MemoryState(new Scheduler()));
  await site.register(documents);
  const { value: document } = await documents.need(volumeKind, site.documentName);
  return { document, head: checkDelta(site.next().bytes).head };
})();

/** The next delta of a writer. */
function make(
  { term, states }: Writer,
  of: { readonly random: SeededRandom; readonly template: DeltaHead; readonly fault: WalkFault | undefined },
): Parcel {
  const before = states.at(-1);
  if (!before) throw new Error('a writer without a beginning');
  const [page, byte] = [of.random.between(0, PAGES - 1), of.random.between(1, CONTENTS)];
  const pages = before.pages.with(page, byte);
  const number = states.length;
  const covered = {
    ...{ number, page, byte },
    ...(of.fault === 'delta-without-term' ? {} : { term }),
    ...(of.fault === 'digest-without-history' ? {} : { predecessor: before.digest }),
  };
  const digest = sha256Hex(JSON.stringify(covered));
  states.push({ digest, pages });
  const head = { ...of.template, number, term, predecessor: before.digest, digest };
  return { head, page, byte, after: pages.join() };
}

function upTo({ states }: Writer, number: number): Writer['states'] {
  return states.slice(0, number + 1);
}

/** Taken, claimed and applied at once: no worker dies here. */
function applied(document: VolumeDocument, head: DeltaHead): VolumeDocument {
  const { number, digest } = head;
  const claimed = withClaim(advanceTip(document, head), { number, digest, entry: 'none', untilMs: 0 });
  return finishClaim(claimed, { head, extents: [], snapshot: undefined, snapshotsKept: 0, nowMs: 0 });
}

/** The term ends, and one who has all up to the cut writes the next. The others know nothing of it. */
function nextTerm(document: VolumeDocument, writers: Writer[]): VolumeDocument {
  const ended = endTerm(document, document.term) ?? document;
  const { tip } = currentGeneration(ended);
  const heir = writers.find(({ states }) => states[tip.number]?.digest === tip.digest);
  if (!heir) return ended;
  writers.push({ term: document.term + 1, states: upTo(heir, tip.number) });
  return beginTerm(ended);
}

/** The next term, from the cut on. */
function beginTerm(document: VolumeDocument): VolumeDocument {
  const generation = currentGeneration(document);
  return { ...withGeneration(document, { ...generation, cut: null }), term: document.term + 1 };
}
