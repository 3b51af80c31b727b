/**
 * What the volumes of a site share, so that a hundred of them take no more memory than a few: each does its work in turns,
 * first come, first served, and no turn is longer than a delta, a range, or {@link MAKING_MS_MAX} where others wait.
 */
import { Semaphore } from '../../kernel/semaphore.ts';
import { RangeBuffers } from './range-buffers.ts';

/**
 * Deltas that are in memory at a time because they are made, from the first byte read until they are stored; some 40 MiB
 * each. Two let one be made while the one before is stored.
 */
const MAKING = 2;

/** Deltas that are in memory at a time because they are sent, some 60 MiB each at the most: on a slow line each takes long. */
const SENDING = 4;

/** Ranges of first copies that are on their way as raw pages at a time, 4 MiB each: twice what one volume uses. */
const RANGES = 16;

/** How long a turn at making lasts while others wait: what is made by then is stored as a delta that ends early. */
export const MAKING_MS_MAX = 10_000;

/** Of one site. */
export interface SharedWork {
  readonly making: Semaphore;
  readonly sending: Semaphore;
  readonly ranges: RangeBuffers;
}

export function sharedWork(): SharedWork {
  return { making: new Semaphore(MAKING), sending: new Semaphore(SENDING), ranges: new RangeBuffers(RANGES) };
}
