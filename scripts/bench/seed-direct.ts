/**
 * `seed.direct`: the first copy of a volume as raw pages into a new generation's upload, until the copy of it is compared
 * and published, beside a bare SDK loop that writes the same ranges of 4 MiB.
 */
import { LeewardError } from '../../src/kernel/errors.ts';
import type { Benchmark } from './benchmark.ts';

export const seedDirect: Benchmark = {
  names: ['seed.direct'],
  async run() {
    throw new LeewardError('REFUSED', 'the direct transport is not in this checkout: nothing writes an upload yet');
  },
};
