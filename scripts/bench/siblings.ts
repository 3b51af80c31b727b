/**
 * `wire.siblings`: what two sibling volumes cost on the wire: two machines of one make, most of whose files are the same.
 */
import { LeewardError } from '../../src/kernel/errors.ts';
import type { Benchmark } from './benchmark.ts';

export const siblings: Benchmark = {
  names: ['wire.siblings'],
  async run() {
    throw new LeewardError(
      'REFUSED',
      'deltas with references are not sent in this checkout: there is no src/site/dedup yet',
    );
  },
};
