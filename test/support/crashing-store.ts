/** A site's store at which a process dies at one durable operation, before it took effect or after. */
import type { SiteStore } from '../../src/ports/site-store.ts';
import { intercept } from './memory/intercept.ts';

const DURABLE = ['writeState', 'putDelta', 'removeDelta', 'writeIndex', 'syncIndex', 'cutIndex'];

export class Crash extends Error {}

export interface Faults {
  /** Durable operations so far. */
  count: number;
  readonly crashAt: number;
  readonly when: 'before' | 'after';
}

export function crashingStore(store: SiteStore, faults: Faults): SiteStore {
  return intercept(store, async ({ method, proceed }) => {
    if (!DURABLE.includes(method)) return proceed();
    faults.count += 1;
    if (faults.count !== faults.crashAt) return proceed();
    if (faults.when === 'after') await proceed();
    throw new Crash(`${faults.when} ${method}`);
  });
}
