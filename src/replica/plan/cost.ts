/**
 * What requests to a page blob cost (docs/apply-planner.md, "What a request costs").
 *
 * Invariant: the cost of a plan is a function of two sums only, its requests and its bytes; reads count in both.
 */
import { MIB, PAGE_BYTES } from '../../kernel/units.ts';
import { WRITE_BYTES_MAX } from '../../ports/replica-store.ts';

/** The two rates of a page blob. Both above zero. */
export interface ApplyCosts {
  readonly requestsPerS: number;
  readonly bytesPerS: number;
}

/** The longest requests, in bytes: multiples of 512 from 512. Clears have no limit. */
export interface ApplyLimits {
  readonly writeBytesMax: number;
  /** Bounds what a reader holds at a time. */
  readonly readBytesMax: number;
}

/**
 * Standard page blobs. Source: Azure, "Scalability and performance targets for Blob storage", targets for a single page
 * blob: up to 500 requests per second, up to 60 MiB per second.
 */
export const PAGE_BLOB_COSTS: ApplyCosts = { requestsPerS: 500, bytesPerS: 60 * MIB };

/**
 * The longest write is the service's. A Get may be of any length; beyond 1 MiB, which costs eight times what a request
 * does, longer ones save little time (docs/apply-planner.md, "How good, and how long") and would have to be held.
 */
export const PAGE_BLOB_LIMITS: ApplyLimits = { writeBytesMax: WRITE_BYTES_MAX, readBytesMax: MIB };

/** The two sums of a plan. Bytes are counted in pages of 512, so that all sums are exact whole numbers. */
export interface Sums {
  readonly requests: number;
  readonly pages: number;
}

/** The time of a plan, in seconds: whichever of the two rates is used up later. */
export function timeOf({ requests, pages }: Sums, costs: ApplyCosts): number {
  return Math.max(requests / costs.requestsPerS, (pages * PAGE_BYTES) / costs.bytesPerS);
}

/** Whether the requests are what a plan waits for, rather than its bytes. */
export function isRequestBound({ requests, pages }: Sums, costs: ApplyCosts): boolean {
  return requests / costs.requestsPerS > (pages * PAGE_BYTES) / costs.bytesPerS;
}
