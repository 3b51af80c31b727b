/**
 * What is checked, and what makes it unsafe, each with the bounds within which the model checker finds it: the smallest
 * that show it, so that it is found in seconds.
 */
import type { Model } from './checker.ts';
import { LeaseModel } from './lease-model.ts';
import type { LeaseBounds, Unsafe } from './lease-world.ts';
import { SiteModel } from './site-model.ts';

const ALWAYS = Infinity;

/** One node, whose clock may lose and which may be paused, and a network that loses, delays and turns round what it likes. */
const SMALL: LeaseBounds = {
  nodes: 1,
  lease: 'strict',
  leaseTicks: 3,
  isSteady: false,
  deaths: 0,
  reboots: 0,
  jumps: 0,
  handStarts: 0,
  aborts: 0,
  isCalmed: false,
};

/** The same without pauses and drift, where they are not needed to show what is wrong. */
const STEADY: LeaseBounds = { ...SMALL, isSteady: true };

/** What `npm test` looks at whole. */
export const SMALL_BOUNDS = {
  'strict leases': { ...SMALL, isCalmed: true },
  'leases that keep': { ...STEADY, lease: 'keep', isCalmed: true },
} as const satisfies Record<string, LeaseBounds>;

/** What `npm run model` looks at whole. */
export const FULL_BOUNDS = {
  'strict leases, every fault of a node as often as it likes': {
    ...SMALL,
    deaths: ALWAYS,
    reboots: ALWAYS,
    jumps: ALWAYS,
    isCalmed: true,
  },
  'leases that keep, every fault of a node as often as it likes': {
    ...SMALL,
    lease: 'keep',
    deaths: ALWAYS,
    reboots: ALWAYS,
    jumps: ALWAYS,
    isCalmed: true,
  },
  'strict leases, started by hand once': { ...STEADY, deaths: ALWAYS, handStarts: 1 },
  'strict leases, aborted or brought back once, and failed over again': { ...SMALL, aborts: 1 },
  'the same, and what comes after the faults': { ...STEADY, deaths: ALWAYS, aborts: 1, isCalmed: true },
  'leases that keep, aborted or brought back once': { ...STEADY, lease: 'keep', aborts: 1, isCalmed: true },
} as const satisfies Record<string, LeaseBounds>;

/** Beyond what is looked at whole: two nodes, more of everything at once. */
export const WALK_BOUNDS: LeaseBounds = {
  nodes: 2,
  lease: 'strict',
  leaseTicks: 5,
  isSteady: false,
  deaths: 3,
  reboots: 2,
  jumps: 2,
  handStarts: 1,
  aborts: 2,
  isCalmed: false,
};

const lease =
  (bounds: LeaseBounds, unsafe: (ticks: number) => Unsafe) =>
  (ticks: number): Model<unknown> =>
    new LeaseModel(bounds, unsafe(ticks));

/** Each must show a violation. Some take a number, in ticks, or of failure domains; `usual` is taken where none is said. */
export const UNSAFE = {
  margin: { usual: 0, shows: /at the site and in the cloud/, model: lease(SMALL, (margin) => ({ margin })) },
  drift: { usual: 6, shows: /at the site and in the cloud/, model: lease(STEADY, (drift) => ({ drift })) },
  pause: { usual: 6, shows: /at the site and in the cloud/, model: lease(STEADY, (pause) => ({ pause })) },
  quorum: {
    usual: 1,
    shows: /a healthy application is moved by a single fault: the observer lies/,
    model: (quorum: number): Model<unknown> => new SiteModel({ quorum }),
  },
  replays: {
    shows: /nothing good comes of it/,
    model: (): Model<unknown> => new SiteModel({ faults: ['renewals are sent again'], isAlone: true, replays: true }),
  },
  'no-guard': {
    shows: /at the site and in the cloud/,
    model: lease({ ...STEADY, deaths: 1 }, () => ({ noGuard: true })),
  },
  rollback: { shows: /at the site and in the cloud/, model: lease(STEADY, () => ({ rollback: true })) },
  'weak-stopped': {
    shows: /at the site and in the cloud/,
    model: lease({ ...STEADY, leaseTicks: 4 }, () => ({ weakStopped: true })),
  },
  'weak-abort': {
    shows: /at the site and in the cloud/,
    model: lease({ ...STEADY, aborts: 1 }, () => ({ weakAbort: true })),
  },
  'keep-waits': {
    shows: /at the site and in the cloud/,
    model: lease({ ...STEADY, lease: 'keep' }, () => ({ keepWaits: true })),
  },
  'keep-early': {
    shows: /at the site and in the cloud/,
    model: lease({ ...STEADY, lease: 'keep' }, () => ({ keepEarly: true })),
  },
} as const satisfies Record<
  string,
  { readonly usual?: number; readonly shows: RegExp; readonly model: (value: number) => Model<unknown> }
>;

export type UnsafeName = keyof typeof UNSAFE;
