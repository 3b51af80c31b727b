/** Byte ranges of a volume, as its document holds them. */
import { z } from 'zod';
import { DIFFERENCES_MAX } from '../ranges/differences.ts';

/** Ascending, without overlap, and few. */
export const byteRangesSchema = z
  .array(z.looseObject({ offset: z.int().min(0), lengthBytes: z.int().min(1) }))
  .max(DIFFERENCES_MAX);
