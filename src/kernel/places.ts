/** Where a blob lies. The account is part of it: which accounts hold a volume is data, not configuration. */
import { z } from 'zod';

/** A blob's place. */
export interface BlobPlace {
  /** Name of the storage account. */
  readonly account: string;
  readonly container: string;
  readonly blob: string;
}

/** A container's place. */
export interface ContainerPlace {
  readonly account: string;
  readonly container: string;
}

export const blobPlaceSchema = z.looseObject({
  account: z.string().min(1),
  container: z.string().min(3),
  blob: z.string().min(1),
});

export const containerPlaceSchema = z.looseObject({ account: z.string().min(1), container: z.string().min(3) });
