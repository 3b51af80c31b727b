/** Byte ranges of a volume, as its document holds them. */
import { z } from 'zod';

/** Ascending, without overlap, and few: src/ranges/differences.ts bounds them. */
export const byteRangesSchema = z
  .array(z.looseObject({ offset: z.int().min(0), lengthBytes: z.int().min(1) }))
  .max(256);
