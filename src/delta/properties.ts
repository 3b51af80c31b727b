/**
 * What a volume is besides its bytes: it travels as JSON text in a delta, under the digest.
 *
 * Invariants: the text itself is what is kept, hashed and sent on, so that two programs need not agree on how JSON is
 * written; nothing in it can garble a message or a terminal.
 */
import { z } from 'zod';
import { parseJson } from '../kernel/json.ts';
import { firstIssue } from '../kernel/schema.ts';
import { DELTA_LIMITS } from './limits.ts';
import type { DeltaLimits } from './limits.ts';
import { refuse } from './problem.ts';
import type { DeltaProblem, Report } from './problem.ts';

const CHARACTERS_MAX = 255;

const line = z
  .string()
  .regex(/^[^\p{Cc}\p{Cs}]+$/u, 'is empty, or has a control character or half a surrogate pair')
  .refine((text) => Array.from(text).length <= CHARACTERS_MAX, `has more than ${CHARACTERS_MAX} characters`);

const propertiesSchema = z.object({
  identity: z
    .string()
    .regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'is no UUID in lower case')
    .optional(),
  label: line.optional(),
  mountPoints: z.array(line).max(64).optional(),
});

/**
 * A volume's properties, the whole set. `identity`: a UUID in lower case. `label` and each of at most 64 `mountPoints`: 1
 * to 255 characters (code points of Unicode), no control characters among them.
 */
export type VolumeProperties = Readonly<z.infer<typeof propertiesSchema>>;

/**
 * What the properties' text says; fields that this program does not know are left out. Throws DELTA_INVALID for a text
 * that no delta may carry.
 */
export function readProperties(text: string): VolumeProperties {
  const parsed = parse(text, DELTA_LIMITS);
  return 'problem' in parsed ? refuse({ field: 'properties', ...parsed }) : parsed.properties;
}

/** The text of `properties`, for a delta. Throws DELTA_INVALID for what is none. */
export function writeProperties(properties: VolumeProperties): string {
  const { identity, label, mountPoints } = properties;
  const text = JSON.stringify({ identity, label, mountPoints });
  checkProperties(text, undefined, DELTA_LIMITS, refuse);
  return text;
}

/** Reports what is wrong with the properties' text, which lies at `at` if it lies anywhere yet. */
export function checkProperties(text: string, at: number | undefined, limits: DeltaLimits, report: Report): void {
  const parsed = parse(text, limits);
  if ('problem' in parsed) report({ field: 'properties', at, ...parsed });
}

/** The text of `bytes`, which are its UTF-8; undefined where they are not. */
export function propertiesTextOf(bytes: Uint8Array): string | undefined {
  try {
    // A byte order mark stays, and is no JSON then: so the text always gives the same bytes again.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function parse(
  text: string,
  limits: DeltaLimits,
): { properties: VolumeProperties } | Pick<DeltaProblem, 'problem' | 'beyondLimit'> {
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes > limits.propertiesBytesMax) {
    const problem = `${sizeBytes} bytes are above the limit of ${limits.propertiesBytesMax} (propertiesBytesMax)`;
    return { problem, beyondLimit: true };
  }
  if (!text.isWellFormed()) return { problem: 'not a text of UTF-8' };
  const value = parseJson(text);
  if (value === undefined) return { problem: 'not JSON' };
  const parsed = propertiesSchema.safeParse(value);
  return parsed.success ? { properties: parsed.data } : { problem: firstIssue(parsed.error) };
}
