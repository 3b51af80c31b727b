/**
 * What a delta is, apart from its content: its place in a volume's chain, and the marker it carries. The same rules hold
 * for a delta that is read and for one that is being made.
 */
import { DIGEST_FORM, NO_DIGEST } from '../kernel/hash.ts';
import { parseVolume } from '../kernel/ids.ts';
import { GENERATION_MAX } from '../kernel/names.ts';
import { PAGE_BYTES } from '../kernel/units.ts';
import { AT, PROLOGUE_BYTES, U32_MAX } from './layout.ts';
import type { DeltaLimits } from './limits.ts';
import type { Report } from './problem.ts';
import { checkProperties } from './properties.ts';

/** A named moment that becomes a recovery point once the delta has been applied. */
export interface DeltaMarker {
  /** 1 to 128 ASCII letters, digits, `.`, `_`, `:` and `-`. */
  readonly name: string;
  readonly consistency: 'crash' | 'application';
  /** Milliseconds since 1970 by the site's clock. */
  readonly timeMs: number;
}

/** A delta's place in its chain, and its marker: all that the digest covers besides the content. */
export interface DeltaIdentity {
  /** `tenant/site/group/volume`. */
  readonly volume: string;
  /** From 1, at most `GENERATION_MAX`. */
  readonly generation: number;
  /** From 1. */
  readonly term: number;
  /** From 1. */
  readonly number: number;
  /** Size of the volume after this delta, a multiple of 512. */
  readonly volumeBytes: number;
  /** Digest of the delta before; for number 1 that of the base its generation began from, or `NO_DIGEST` for zeros. */
  readonly predecessor: string;
  readonly marker?: DeltaMarker | undefined;
  /**
   * JSON text of the volume's properties from this delta on, all of them: `writeProperties` makes it, `readProperties`
   * reads it. Without it they stay as they are.
   */
  readonly properties?: string | undefined;
}

const MARKER_NAME_FORM = /^[A-Za-z0-9._:-]+$/;

/**
 * Reports each fault of `of`; `sourceTimeMs` is under no digest, but in every head. `second` tells whether the format
 * knows a base, `propertiesAt` where their text lies, if it lies anywhere yet.
 */
export function checkIdentity(
  of: DeltaIdentity & { readonly sourceTimeMs: number },
  by: { readonly second: boolean; readonly limits: DeltaLimits; readonly propertiesAt?: number },
  report: Report,
): void {
  const { limits } = by;
  try {
    parseVolume(of.volume);
  } catch (error) {
    const problem = error instanceof Error ? error.message : 'not an identifier';
    report({ field: 'volume id', at: PROLOGUE_BYTES, problem });
  }
  for (const field of ['generation', 'term', 'number'] as const) {
    const value = of[field];
    const max = field === 'generation' ? GENERATION_MAX : U32_MAX;
    if (!Number.isInteger(value) || value < 1 || value > max) {
      report({ field, at: AT[field], problem: `${value} is not 1 to ${max}` });
    }
  }
  if (!isCount(of.volumeBytes) || of.volumeBytes % PAGE_BYTES !== 0) {
    report({ field: 'volume bytes', at: AT.volumeBytes, problem: `${of.volumeBytes} is no multiple of ${PAGE_BYTES}` });
  } else if (of.volumeBytes > limits.volumeBytesMax) {
    const problem = `${of.volumeBytes} is above the limit of ${limits.volumeBytesMax} (volumeBytesMax)`;
    report({ field: 'volume bytes', at: AT.volumeBytes, problem, beyondLimit: true });
  }
  if (!DIGEST_FORM.test(of.predecessor)) {
    report({ field: 'predecessor', at: AT.predecessor, problem: 'not 64 lower-case hexadecimal digits' });
  } else if (of.predecessor === NO_DIGEST && of.number !== 1) {
    report({ field: 'predecessor', at: AT.predecessor, problem: `number ${of.number} needs one` });
  } else if (of.predecessor !== NO_DIGEST && of.number === 1 && !by.second) {
    const problem = 'number 1 has one only from format 2 on: zeros are due';
    report({ field: 'predecessor', at: AT.predecessor, problem });
  }
  if (of.marker !== undefined) {
    const { name } = of.marker;
    if (!MARKER_NAME_FORM.test(name) || name.length > limits.markerNameBytesMax) {
      const problem = `not 1 to ${limits.markerNameBytesMax} (markerNameBytesMax) of letters, digits, ".", "_", ":" and "-"`;
      report({ field: 'marker name', at: PROLOGUE_BYTES + of.volume.length, problem });
    }
    checkTime(of.marker.timeMs, 'marker time', AT.markerTimeMs, report);
  }
  checkTime(of.sourceTimeMs, 'source time', AT.sourceTimeMs, report);
  if (of.properties !== undefined) checkProperties(of.properties, by.propertiesAt, limits, report);
}

function checkTime(timeMs: number, field: string, at: number, report: Report): void {
  if (!isCount(timeMs))
    report({ field, at, problem: `${timeMs} is no whole number of milliseconds from 0 to 2^53 - 1` });
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
