/** A place in a chain of deltas: a delta's number, and the digest that stands for it and for all before it. */
import { z } from 'zod';
import { DIGEST_FORM, NO_DIGEST } from './hash.ts';

/** The number is 32 bits wide in a delta's head (docs/delta-format.md); 0 stands before the first. */
export const chainPointSchema = z.looseObject({
  number: z.int().min(0).max(0xffff_ffff),
  digest: z.string().regex(DIGEST_FORM),
});

/** A place in the chain of deltas. */
export type ChainPoint = {
  readonly number: number;
  /** 64 hexadecimal digits. */
  readonly digest: string;
};

/** Before the first delta of a generation that begins from zeros. */
export const CHAIN_START: ChainPoint = { number: 0, digest: NO_DIGEST };
