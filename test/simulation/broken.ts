/**
 * What `--broken` can name: adapters that break one promise of their port, and the simplifications of the protocol
 * that are known to break it (docs/design.md, "What less would break"). A simulator that finds nothing wrong with these
 * proves nothing about the others.
 *
 * Invariant: production code has no switch for any of it. A broken promise is an adapter in the place of the sound one; a
 * simplification stands between the production engine and its ports, for each worker, or is a pure walk that puts the
 * production transitions together wrongly (walk.ts) where no port sees what is left out.
 */
import { Overwritable, forgetful, liveSnapshots, unconditional, unfenced } from './broken-adapters.ts';
import { cutAtApplied, noClaim, noFence, onePageTwice, snapshotBesideApplied } from './simplified.ts';
import type { StoragePorts } from '../support/data-path.ts';
import type { Cleaner } from './cleaner.ts';
import { cleanByOldListing } from './cleaner.ts';
import type { SimulatedStorage } from './storage.ts';
import type { WalkFault } from './walk.ts';

export interface Broken {
  /** What is done wrong, in words. */
  readonly what: string;
  /** What it must bring about. */
  readonly violation: RegExp;
  /** In the place of sound adapters, for everybody. */
  readonly storage?: (sound: SimulatedStorage) => Partial<SimulatedStorage>;
  /** Between one worker and its ports; what it remembers dies with the worker. */
  readonly worker?: (ports: StoragePorts) => Partial<StoragePorts>;
  /** In the place of the production cleaner. */
  readonly cleaner?: Cleaner;
  /** No worker and no port, but a walk over the transitions alone. */
  readonly walk?: WalkFault;
}

const TORN = /differs from the model|footer/;

const CATALOGUE = {
  'sequence-numbers': {
    what: 'a store that ignores sequence-number conditions',
    violation: TORN,
    storage: ({ replicas }) => ({ replicas: unfenced(replicas) }),
  },
  etags: {
    what: 'a state store that ignores ETags',
    violation: /went back|jumped|another than it was|without its point|cut moved|named twice|removed out of turn/,
    storage: ({ state }) => ({ state: unconditional(state) }),
  },
  snapshots: {
    what: 'a snapshot that is the blob as it is when it is read',
    violation: /^snapshot \S+ of .*(differs from the model|footer)/,
    storage: ({ replicas }) => ({ replicas: liveSnapshots(replicas) }),
  },
  queue: {
    what: 'a queue that forgets a message as soon as it handed it out',
    violation: /the queue took all up to \d+/,
    storage: ({ queues }) => ({ queues: forgetful(queues) }),
  },
  'no-fence': {
    what: 'writes carry no condition, and nobody raises a sequence number',
    violation: TORN,
    worker: noFence,
  },
  'no-claim': {
    what: 'the state does not say which delta is being written before its pages are',
    violation: TORN,
    worker: noClaim,
  },
  'one-page-twice': {
    what: 'a delta clears pages with one request and writes them with another',
    violation: TORN,
    worker: onePageTwice,
  },
  'digest-without-history': {
    what: 'a digest does not cover the predecessor',
    violation: /on another history/,
    walk: 'digest-without-history',
  },
  'delta-without-term': {
    what: 'a delta does not say of which term it is',
    violation: /of term \d+ was applied in term \d+/,
    walk: 'delta-without-term',
  },
  'snapshot-beside-applied': {
    what: 'applied moves in one change, and the snapshot is named in the next',
    violation: /was passed without its point/,
    worker: snapshotBesideApplied,
  },
  'cut-not-tip': {
    what: 'the end of a term cuts at what is applied',
    violation: /what was acknowledged is lost/,
    worker: cutAtApplied,
  },
  'journal-overwritten': {
    what: 'a journal entry can be written again',
    violation:
      /asked for delta \d+, which was acknowledged|a sound message was set aside|not at its tip|the queue took all/,
    storage: () => ({ entries: new Overwritable() }),
  },
  'cleaner-old-listing': {
    what: 'a cleaner deletes what was not named before it listed',
    violation: /has no snapshot/,
    cleaner: cleanByOldListing,
  },
} satisfies Record<string, Broken>;

export type BrokenName = keyof typeof CATALOGUE;

export const BROKEN: Readonly<Record<BrokenName, Broken>> = CATALOGUE;

export function isBrokenName(name: string): name is BrokenName {
  return Object.hasOwn(BROKEN, name);
}
