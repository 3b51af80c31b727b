/**
 * A volume's journal, as the engine uses it: finding, reading and keeping deltas.
 *
 * Invariants: a delta that comes out of here was checked whole, whatever the entry's name says; a name is tried before
 * its content is believed; nothing is overwritten, so a damaged entry is passed by, never repaired in place. The chain
 * consists of entries that hold all that they set; one that refers to content elsewhere only waits to be made into such.
 */
import { checkDelta, checkSent } from '../../delta/delta.ts';
import type { Delta } from '../../delta/delta.ts';
import { DELTA_LIMITS } from '../../delta/limits.ts';
import type { DeltaLimits } from '../../delta/limits.ts';
import type { Generation } from '../../documents/volume.ts';
import type { ChainPoint } from '../../kernel/chain-point.ts';
import { LeewardError, errorAbout, isLeewardError } from '../../kernel/errors.ts';
import { volumeId } from '../../kernel/ids.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { entryKind, journalEntry, journalNumberPrefix, parseForm, parseJournalEntry } from '../../kernel/names.ts';
import type { DeltaForm, DeltaFormKind } from '../../kernel/names.ts';
import type { EntryStore } from '../../ports/entries.ts';

/** A delta in the journal, checked whole; one with outside references as far as that goes without them. */
export interface KeptDelta {
  readonly entry: string;
  readonly delta: Delta;
}

/** The number of a delta that has to be sent again, and why, in words. */
export interface Missing {
  readonly missing: number;
  readonly why: string;
}

const NO_ENTRY = 'the journal has no entry of it';

/** The name of an entry, with what it says. */
interface Found {
  readonly entry: string;
  readonly digest: string;
  readonly attempt: number;
}

/** Which entries of a number: literal ones of any digest, unless it says otherwise. */
interface Which {
  readonly kind?: DeltaFormKind;
  readonly digest?: string;
  /** Entries that are not even read. */
  readonly isPassedBy?: (entry: string) => boolean;
  /** Hears of each that is not sound. */
  readonly onFault?: (fault: LeewardError) => void;
}

/**
 * How many entries of one number are looked at, and how many names for that: a sound site puts one or two, and one that
 * puts a million must not keep a worker from other sites' volumes.
 */
const ENTRIES_MAX = 16;
const NAMES_MAX = 5000;

/** Highest attempt that a form's name has room for: four digits (src/kernel/names.ts, `parseForm`). */
const ATTEMPT_MAX = 9999;

/** How far the chain is followed backwards to tell a repeated delta from a fork's. */
const WALK_BACK_MAX = 64;

export class Journal {
  readonly #entries: EntryStore;
  readonly #volume: VolumeRef;
  readonly #generation: Generation;
  readonly #limits: DeltaLimits;

  /** `limits` are those by which deltas are taken in; what the chain has already, it keeps. */
  constructor(entries: EntryStore, volume: VolumeRef, generation: Generation, limits: DeltaLimits = DELTA_LIMITS) {
    this.#entries = entries;
    this.#volume = volume;
    this.#generation = generation;
    this.#limits = limits;
  }

  /** The limits that a delta of this number is held against. */
  limitsFor({ generation, number }: { readonly generation: number; readonly number: number }): DeltaLimits {
    const isOnChain = generation === this.#generation.generation && number <= this.#generation.tip.number;
    return isOnChain ? DELTA_LIMITS : this.#limits;
  }

  /**
   * Reads and checks one entry; what its name calls `literal` must hold all that it sets. Errors: NOT_FOUND; DELTA_INVALID
   * when it is damaged or not what its name says; LIMIT_EXCEEDED; VERSION_TOO_NEW.
   */
  async read(entry: string): Promise<KeptDelta> {
    const name = parseJournalEntry(entry);
    if (!name)
      throw new LeewardError('MESSAGE_INVALID', `entry: "${entry.slice(0, 200)}" is not the name of a journal entry`);
    const limits = this.limitsFor(name);
    const bytes = await this.#bytesOf(entry, limits);
    if (!bytes) throw new LeewardError('NOT_FOUND', `entry: the journal has no "${entry}"`);
    const delta = checkedAs(entry, bytes, limits);
    const { head } = delta;
    if (
      entry !== journalEntry(this.#volume, name) ||
      head.volume !== volumeId(this.#volume) ||
      head.generation !== name.generation ||
      head.number !== name.number ||
      head.digest !== name.digest
    ) {
      throw new LeewardError(
        'DELTA_INVALID',
        `entry: "${entry}" holds delta ${head.number} ${head.digest} of ${head.volume}`,
      );
    }
    return { entry, delta };
  }

  /**
   * Makes a checked delta durable and returns the entry that holds it. An entry of its name that turns out damaged is
   * passed by for the next form.
   */
  async keep(delta: Delta): Promise<KeptDelta> {
    const { head } = delta;
    const kind = delta.outside.length > 0 ? 'refs' : 'literal';
    for (let attempt = 1; attempt <= ENTRIES_MAX; attempt += 1) {
      const entry = journalEntry(this.#volume, { ...head, form: `${kind}-${attempt}` });
      if ((await this.#entries.create(this.#place(entry), delta.bytes)) === 'created') return { entry, delta };
      try {
        return await this.read(entry);
      } catch (error) {
        if (!isLeewardError(error, 'DELTA_INVALID')) throw error;
      }
    }
    throw new LeewardError(
      'REFUSED',
      `delta ${head.number} of ${head.volume}: the journal has ${ENTRIES_MAX} damaged entries of it, and no more are made`,
    );
  }

  /**
   * Whether `point` is the chain's own delta of that number, at most the tip; undefined when it is too far back to be told
   * cheaply, or what would tell it is gone.
   */
  async isOnChain(point: ChainPoint): Promise<boolean | undefined> {
    const known = this.#known(point.number);
    if (known !== undefined) return known === point.digest;
    const isApplied = point.number <= this.#generation.applied.number;
    const digests = await this.#digests(point.number);
    if (digests.size === 1 && digests.has(point.digest)) return true;
    if (isApplied && !digests.has(point.digest)) return digests.size === 0 ? undefined : false;
    // What is not applied yet may have lost its entry: then a stranger's is there, and the right one is the resend.
    const right = await this.#walkBack(point.number, isApplied ? WALK_BACK_MAX : Infinity);
    return typeof right === 'string' ? right === point.digest : undefined;
  }

  /**
   * The chain's delta of `number`, above `applied` and at most the tip. Damaged entries are passed by, and another
   * writer's entry of that number is never taken for it. `missing` is the number of a delta without which it cannot be
   * had: that has to be sent again, in the form that {@link nextForm} gives.
   */
  async onChain(number: number): Promise<KeptDelta | Missing> {
    const right = await this.#digestOf(number);
    return typeof right === 'string' ? this.#have({ number, digest: right }) : right;
  }

  /** A sound entry of this very delta, whatever its form; undefined if there is none. */
  async find(point: ChainPoint): Promise<KeptDelta | undefined> {
    const found = await this.#have(point);
    return 'entry' in found ? found : undefined;
  }

  /** Sound deltas that could come after the tip: at most two, since a second one is a fork, and no more is to be known. */
  async afterTip(isNext: (kept: KeptDelta) => boolean): Promise<readonly KeptDelta[]> {
    const { tip } = this.#generation;
    const found: KeptDelta[] = [];
    for await (const kept of this.#sound(tip.number + 1)) {
      if (!isNext(kept) || kept.delta.head.digest === found[0]?.delta.head.digest) continue;
      found.push(kept);
      if (found.length === 2) break;
    }
    return found;
  }

  /**
   * Sound deltas of a number that refer to content elsewhere, one at a time, but for entries that are passed by. Their
   * digests are their own word only.
   */
  referring(number: number, isPassedBy: (entry: string) => boolean): AsyncIterable<KeptDelta> {
    return this.#sound(number, { kind: 'refs', isPassedBy });
  }

  /** A form whose name is free for a delta that has to be sent again. */
  async nextForm(number: number): Promise<DeltaForm> {
    const taken = new Set((await this.#named(number)).map(({ attempt }) => attempt));
    const next = Math.max(0, ...taken) + 1;
    if (next <= ATTEMPT_MAX) return `literal-${next}`;
    // No sound site comes this far: any that is free.
    let free = 1;
    while (taken.has(free)) free += 1;
    return `literal-${free}`;
  }

  /** A sound entry of this very delta, whatever its form, or why the one that was tried first is none. */
  async #have({ number, digest }: ChainPoint): Promise<KeptDelta | Missing> {
    let why: string | undefined;
    const onFault = (fault: LeewardError): void => {
      why ??= fault.message;
    };
    for await (const kept of this.#sound(number, { digest, onFault })) return kept;
    return { missing: number, why: why ?? NO_ENTRY };
  }

  /** Sound entries of a number, one at a time: whoever takes them holds what it needs, not all that a site put there. */
  async *#sound(number: number, which: Which = {}): AsyncGenerator<KeptDelta> {
    for (const { entry } of await this.#find(number, which)) {
      if (which.isPassedBy?.(entry) === true) continue;
      try {
        yield await this.read(entry);
      } catch (error) {
        if (!isLeewardError(error, 'DELTA_INVALID', 'LIMIT_EXCEEDED', 'NOT_FOUND')) throw error;
        which.onFault?.(error);
      }
    }
  }

  /**
   * Entries of a number, of one digest where that is known; at most {@link ENTRIES_MAX}, the latest forms first: what was
   * sent again is more likely sound than what it was sent for.
   */
  async #find(number: number, which: Which = {}): Promise<Found[]> {
    return (await this.#named(number, which)).sort((a, b) => b.attempt - a.attempt).slice(0, ENTRIES_MAX);
  }

  /** What the names say of a number's entries: all that there are, up to {@link NAMES_MAX} of whatever kind. */
  async #named(number: number, { kind = 'literal', digest = '' }: Which = {}): Promise<Found[]> {
    const prefix = journalNumberPrefix(this.#volume, { generation: this.#generation.generation, number });
    const found: Found[] = [];
    let names = 0;
    for await (const { name } of this.#entries.list(this.#generation.journal, `${prefix}${digest}`)) {
      const parsed = parseJournalEntry(name);
      const form = parsed && parseForm(parsed.form);
      if (form?.kind === kind) found.push({ entry: name, digest: parsed?.digest ?? '', attempt: form.attempt });
      names += 1;
      if (names === NAMES_MAX) break;
    }
    return found;
  }

  /** The chain's digest of `number` where the state itself has it. */
  #known(number: number): string | undefined {
    const { tip, applied, claim } = this.#generation;
    return [tip, applied, claim].find((other) => other?.number === number)?.digest;
  }

  /**
   * The chain's digest of `number`. An entry that is alone with its digest, sound or not, is the chain's, because what the
   * tip covers was durable before; among several the predecessors tell, not the order of arrival.
   */
  async #digestOf(number: number): Promise<string | Missing> {
    const known = this.#known(number);
    if (known !== undefined) return known;
    const [only, ...others] = await this.#digests(number);
    if (only === undefined) return { missing: number, why: NO_ENTRY };
    return others.length === 0 ? only : this.#walkBack(number, Infinity);
  }

  async #digests(number: number): Promise<Set<string>> {
    return new Set((await this.#find(number)).map(({ digest }) => digest));
  }

  /** Follows predecessors from the tip back to `number`; the number at which that ended beyond `stepsMax` or at a gap. */
  async #walkBack(number: number, stepsMax: number): Promise<string | Missing> {
    let { number: at, digest } = this.#generation.tip;
    if (at - number > stepsMax) return { missing: at, why: `more than ${stepsMax} numbers after ${number}` };
    while (at > number) {
      const kept = await this.#have({ number: at, digest });
      if ('missing' in kept) return kept;
      at -= 1;
      digest = kept.delta.head.predecessor;
    }
    return digest;
  }

  async #bytesOf(entry: string, { encodedBytesMax }: DeltaLimits): Promise<Uint8Array | undefined> {
    try {
      return await this.#entries.read(this.#place(entry), encodedBytesMax);
    } catch (error) {
      if (!isLeewardError(error, 'DELTA_INVALID')) throw error;
      throw new LeewardError('LIMIT_EXCEEDED', `${error.message} (encodedBytesMax)`, { cause: error });
    }
  }

  #place(entry: string): { account: string; container: string; blob: string } {
    return { ...this.#generation.journal, blob: entry };
  }
}

/** The delta in an entry, checked as far as the kind of the entry asks. Errors name the entry. */
function checkedAs(entry: string, bytes: Uint8Array, limits: DeltaLimits): Delta {
  try {
    return entryKind(entry) === 'refs' ? checkSent(bytes, limits) : checkDelta(bytes, limits);
  } catch (error) {
    throw isLeewardError(error) ? errorAbout(`entry "${entry}"`, error) : error;
  }
}
