/**
 * What `--broken` can name: adapters that break one promise of their port, and the simplifications of the protocol
 * that are known to break it (docs/design.md, "What less would break"). A simulator that finds nothing wrong with these
 * proves nothing about the others.
 *
 * Invariant: production code has no switch for any of it. A broken promise is an adapter in the place of the sound one; a
 * simplification stands between the production engine and its ports, for each worker, or is a pure walk that puts the
 * production transitions together wrongly (walk.ts) where no port sees what is left out.
 */
import {
  Overwritable,
  copyNotDone,
  copyOfLive,
  credentialStays,
  forgetful,
  liveSnapshots,
  unconditional,
  unfenced,
} from './broken-adapters.ts';
import {
  baseUnrepaired,
  beginAtOnce,
  liveComparison,
  offeredAtOnce,
  verifiedUnseen,
} from './simplified-generations.ts';
import { upkeepByAge, upkeepOfPresent } from './upkeeps.ts';
import { cutAtApplied, noClaim, noFence, onePageTwice, snapshotBesideApplied } from './simplified.ts';
import type { StoragePorts } from '../support/data-path.ts';
import type { runUpkeep } from '../../src/replica/rounds/upkeep.ts';
import type { Cleaner } from './cleaner.ts';
import { cleanByOldListing } from './cleaner.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimulatedStorage } from './storage.ts';
import type { WalkFault } from './walk.ts';

export interface Broken {
  /** What is done wrong, in words. */
  readonly what: string;
  /** What it must bring about. */
  readonly violation: RegExp;
  /** The only sites of its worlds, where the others could not show it. */
  readonly sites?: 'scripted' | 'replicating';
  /** In the place of sound adapters, for everybody. */
  readonly storage?: (sound: SimulatedStorage, scheduler: Scheduler) => Partial<SimulatedStorage>;
  /** Between one worker and its ports; what it remembers dies with the worker. */
  readonly worker?: (ports: Required<StoragePorts>) => Partial<StoragePorts>;
  /** In the place of the production cleaner. */
  readonly cleaner?: Cleaner;
  /** In the place of the production upkeep. */
  readonly upkeep?: typeof runUpkeep;
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
    violation: /snapshot \S+ of .*(differs from the model|footer|bytes behind)/,
    storage: ({ replicas }) => ({ replicas: liveSnapshots(replicas) }),
  },
  queue: {
    what: 'a queue that forgets a message as soon as it handed it out',
    sites: 'scripted',
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
    sites: 'scripted',
    violation: TORN,
    worker: noClaim,
  },
  'one-page-twice': {
    what: 'a delta clears pages with one request and writes them with another',
    sites: 'scripted',
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
    violation: /was passed without its point|offered without a point/,
    worker: snapshotBesideApplied,
  },
  'cut-not-tip': {
    what: 'the end of a term cuts at what is applied',
    violation: /what was acknowledged is lost/,
    worker: cutAtApplied,
  },
  'journal-overwritten': {
    what: 'a journal entry can be written again',
    sites: 'scripted',
    violation:
      /asked for delta \d+, which was acknowledged|a sound message was set aside|not at its tip|the queue took all/,
    storage: () => ({ entries: new Overwritable() }),
  },
  'cleaner-old-listing': {
    what: 'a cleaner deletes what was not named before it listed',
    violation: /has no snapshot|which is offered, was deleted/,
    cleaner: cleanByOldListing,
  },
  'copy-not-done': {
    what: 'a server-side copy that is said to be done before its pages are there',
    sites: 'replicating',
    violation: /is not what was (compared|sealed)|differs from the model|bytes behind/,
    storage: ({ replicas }, scheduler) => ({ replicas: copyNotDone(replicas, scheduler) }),
  },
  'copy-of-live': {
    what: 'a server-side copy that takes the live blob instead of the snapshot',
    sites: 'replicating',
    violation: /is not what was sealed/,
    storage: ({ replicas }) => ({ replicas: copyOfLive(replicas) }),
  },
  'credential-stays': {
    what: 'an upload that stays where it is when it was taken',
    sites: 'replicating',
    violation: /an upload is left/,
    storage: ({ access }) => ({ access: credentialStays(access) }),
  },
  'begin-at-once': {
    what: 'a generation begins whatever of the one before is not applied yet',
    sites: 'replicating',
    violation: /which was acknowledged, is lost|was claimed/,
    worker: beginAtOnce,
  },
  'offered-at-once': {
    what: 'a generation is offered as soon as it begins',
    sites: 'replicating',
    violation: /was offered when it began/,
    worker: offeredAtOnce,
  },
  'base-unrepaired': {
    what: 'a base is taken for what the site says that it is',
    sites: 'replicating',
    violation: /differs from the model|was passed without its point/,
    worker: baseUnrepaired,
  },
  'comparison-live': {
    what: 'a comparison reads the live blob instead of the point',
    sites: 'replicating',
    violation: /bytes that do not differ|differs from the model/,
    worker: liveComparison,
  },
  'verified-unseen': {
    what: 'a point that was compared is verified, whatever was found',
    sites: 'replicating',
    violation: /differs from the model/,
    worker: verifiedUnseen,
  },
  'upkeep-by-age': {
    what: 'an upkeep that removes journal entries by their age alone',
    violation: /an entry was removed that is needed/,
    upkeep: upkeepByAge,
  },
  'upkeep-of-present': {
    what: 'an upkeep for which only the present generation counts',
    sites: 'replicating',
    violation: /which is offered, was deleted|is made from was deleted/,
    upkeep: upkeepOfPresent,
  },
} satisfies Record<string, Broken>;

export type BrokenName = keyof typeof CATALOGUE;

export const BROKEN: Readonly<Record<BrokenName, Broken>> = CATALOGUE;

export function isBrokenName(name: string): name is BrokenName {
  return Object.hasOwn(BROKEN, name);
}
