/**
 * Brings the block index to what a generation's base is to hold, range by range: by writing raw pages into the cloud's
 * upload, or, where the cloud copies a recovery point, by hashing the volume.
 *
 * Invariants: the index takes a block in only after the cloud has acknowledged its pages, so that whoever is interrupted goes
 * on with what is left; memory is bounded by the ranges in flight, of all volumes of the site. What lands late or torn in the
 * upload is found when the cloud compares its copy with the index, and is sent again.
 */
import { fewAtOnce } from '../../kernel/few-at-once.ts';
import { KIB } from '../../kernel/units.ts';
import type { SiteStore } from '../../ports/site-store.ts';
import type { VolumeSource } from '../../ports/volume-source.ts';
import { BLOCK_BYTES, BLOCK_HASH_BYTES, RANGE_BYTES, blockHashes } from '../../ranges/blocks.ts';
import type { BaseLog } from '../chain/base-log.ts';
import type { RangeBuffers } from '../work/range-buffers.ts';
import { readHashes } from '../chain/block-index.ts';

/** Ranges whose pages are written side by side: enough to hide a request's latency. */
const IN_FLIGHT_MAX = 8;

/** Ranges between two syncs of the index: what a machine that stops may have to write again. */
const DURABLE_EVERY_RANGES = 16;

/**
 * Unchanged blocks between two changed ones that are written along: a page blob takes 500 requests and 60 MiB a second, so
 * a request costs what 123 KiB cost.
 */
const BRIDGED_BYTES = 120 * KIB;

export interface BaseFillingOptions {
  readonly source: VolumeSource;
  readonly store: Pick<SiteStore, 'readIndex'>;
  readonly log: Pick<BaseLog, 'fill'>;
  readonly generation: number;
  /** How much of the volume the base has room for. */
  readonly volumeBytes: number;
  /** Writes whole pages of the base. Nothing is written where the cloud has them already. */
  readonly put?: ((offset: number, bytes: Uint8Array) => Promise<void>) | undefined;
  readonly buffers: RangeBuffers;
  readonly signal?: AbortSignal | undefined;
}

/** Errors: SOURCE_CHANGED, CONFLICT (see {@link BaseLog.fill}), those of `put`. What was done till then is kept. */
export async function fillBase(options: BaseFillingOptions): Promise<void> {
  const { buffers } = options;
  const held = new Set<Uint8Array>();
  try {
    await fewAtOnce(IN_FLIGHT_MAX, readRanges(options, held), async ({ offset, bytes, buffer }) => {
      await fillRange(options, offset, bytes);
      held.delete(buffer);
      buffers.giveBack(buffer);
    });
  } finally {
    // Those of ranges that failed, or were read and not begun any more.
    for (const buffer of held) buffers.giveBack(buffer);
  }
}

/** The volume's ranges, one after the other, each in a buffer that is noted in `held`. */
async function* readRanges(
  { source, volumeBytes, buffers, signal }: BaseFillingOptions,
  held: Set<Uint8Array>,
): AsyncGenerator<{ offset: number; bytes: Uint8Array; buffer: Uint8Array }> {
  const endBytes = Math.min(volumeBytes, await source.sizeBytes());
  for (let offset = 0; offset < endBytes; offset += RANGE_BYTES) {
    const buffer = await buffers.take(signal);
    held.add(buffer);
    const bytes = buffer.subarray(0, Math.min(RANGE_BYTES, endBytes - offset));
    await source.read(offset, bytes);
    yield { offset, bytes, buffer };
  }
}

async function fillRange(options: BaseFillingOptions, offset: number, bytes: Uint8Array): Promise<void> {
  const { store, log, generation, put } = options;
  const hashes = blockHashes(bytes);
  const known = new Uint8Array(hashes.length);
  await readHashes(store, offset, known);
  const changed = changedSpans(hashes, known);
  if (changed.length === 0) return;
  for (const { from, to } of put ? changed : []) await put?.(offset + from, bytes.subarray(from, to));
  await log.fill(generation, { offset, hashes, durable: (offset / RANGE_BYTES) % DURABLE_EVERY_RANGES === 0 });
}

/** Where the hashes differ, in bytes of the range, those that lie near each other as one. */
function changedSpans(hashes: Uint8Array, known: Uint8Array): { from: number; to: number }[] {
  const spans: { from: number; to: number }[] = [];
  for (let at = 0; at < hashes.length; at += BLOCK_HASH_BYTES) {
    const end = at + BLOCK_HASH_BYTES;
    if (Buffer.compare(hashes.subarray(at, end), known.subarray(at, end)) === 0) continue;
    const from = (at / BLOCK_HASH_BYTES) * BLOCK_BYTES;
    const last = spans.at(-1);
    if (last && from - last.to <= BRIDGED_BYTES) last.to = from + BLOCK_BYTES;
    else spans.push({ from, to: from + BLOCK_BYTES });
  }
  return spans;
}
