/**
 * Counts what is refused at the doors that anybody can knock at.
 *
 * Invariants: whoever has no key cannot make this write a document for each request: an instance counts in memory and writes
 * at most once in {@link WRITE_EVERY_MS}, the first refusal at once. What it has not written when it ends is lost: the figure
 * is for people, and no decision hangs on it. Counting never fails what it counts.
 */
import { refusalsKind } from '../../documents/refusals.ts';
import type { Door, Refusals } from '../../documents/refusals.ts';
import type { Documents } from '../../documents/store.ts';
import type { Clock } from '../../kernel/clock.ts';
import { isLeewardError } from '../../kernel/errors.ts';
import type { ErrorCode } from '../../kernel/errors.ts';
import { documents as names } from '../../kernel/names.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';

/** How often one instance writes its counts at most. */
export const WRITE_EVERY_MS = 60_000;

/** Codes of errors that are the sender's doing; the others are faults of ours, or of the platform's. */
const COUNTED: readonly ErrorCode[] = [
  'MESSAGE_INVALID',
  'IDENTIFIER_INVALID',
  'SIGNATURE_INVALID',
  'NOT_FOUND',
  'REFUSED',
  'VERSION_TOO_NEW',
];

type Counts = Map<Door, Map<string, number>>;

export class RefusalCounter {
  readonly #documents: Documents;
  readonly #clock: Clock;
  #counts: Counts = new Map();
  #writtenBootMs = -Infinity;

  constructor({ documents, clock }: { readonly documents: Documents; readonly clock: Clock }) {
    this.#documents = documents;
    this.#clock = clock;
  }

  /** Counts `error`, if it is one to count; may write what has come together. Never throws. */
  async count(door: Door, error: unknown): Promise<void> {
    if (!isLeewardError(error, ...COUNTED)) return;
    const counts = this.#counts.get(door) ?? new Map<string, number>();
    this.#counts.set(door, counts.set(error.code, (counts.get(error.code) ?? 0) + 1));
    if (this.#clock.bootMs() - this.#writtenBootMs >= WRITE_EVERY_MS) await this.write();
  }

  /** Writes what is not written yet. Never throws: what cannot be written waits for the next time. */
  async write(): Promise<void> {
    const counts = this.#counts;
    if (counts.size === 0) return;
    this.#counts = new Map();
    this.#writtenBootMs = this.#clock.bootMs();
    try {
      if ((await this.#documents.read(refusalsKind, names.refusals)) === undefined) {
        await this.#documents.createOrRead(refusalsKind, names.refusals, { version: CURRENT_VERSION, counts: {} });
      }
      await this.#documents.update(refusalsKind, names.refusals, (found) => added(found, counts));
    } catch {
      for (const [door, codes] of counts) {
        const now = this.#counts.get(door) ?? new Map<string, number>();
        for (const [code, count] of codes) now.set(code, (now.get(code) ?? 0) + count);
        this.#counts.set(door, now);
      }
    }
  }
}

function added(found: Refusals, counts: Counts): Refusals {
  const sums = { ...found.counts };
  for (const [door, codes] of counts) {
    const sum = { ...sums[door] };
    for (const [code, count] of codes) sum[code] = (sum[code] ?? 0) + count;
    sums[door] = sum;
  }
  return { ...found, counts: sums };
}
