/**
 * Making a delta that holds all that it sets of one that refers to content elsewhere.
 *
 * Invariant: what comes out sets the same pages to the same bytes: each content is held against its hash, and the digest
 * against the stated one.
 */
import { sha256Hex } from '../kernel/hash.ts';
import type { Delta } from './delta.ts';
import type { OutsideReference } from './extents.ts';
import { AT } from './layout.ts';
import type { OutsideContent } from './pieces.ts';
import { refuse } from './problem.ts';
import { encodeDelta } from './write.ts';
import type { DeltaWriteOptions, EncodedDelta } from './write.ts';

/**
 * The same delta with literal bytes and zeros alone: the same digest, and its own version, frames and extents. `content`
 * gives each outside reference's content, in the extents' order; the bytes are copied before it is asked for the next.
 * `delta` passed `checkSent`.
 *
 * Throws DELTA_INVALID where a content has not the reference's length and hash, naming the extent; where the digest is not
 * the stated one, which is the delta's own fault then; and what `content` throws. Holds the encoded result, and of the
 * delta's literal bytes those that are still needed.
 */
export function rehydrate(delta: Delta, content: OutsideContent, options: DeltaWriteOptions = {}): EncodedDelta {
  const extents = delta.pieces((reference) => checked(reference, content(reference)));
  const made = encodeDelta({ ...delta.head, extents }, options);
  if (made.digest !== delta.head.digest) {
    const problem = `${delta.head.digest} is stated, but with its references' content the delta gives ${made.digest}`;
    refuse({ field: 'digest', at: AT.digest, problem });
  }
  return made;
}

function checked({ index, kind, lengthBytes, sha256 }: OutsideReference, bytes: Uint8Array): Uint8Array {
  const field = `extent ${index}, content`;
  if (bytes.length !== lengthBytes) {
    refuse({ field, problem: `${lengthBytes} bytes are due, and the ${kind} reference gives ${bytes.length}` });
  }
  const computed = sha256Hex(bytes);
  if (computed === sha256) return bytes;
  return refuse({ field, problem: `the SHA-256 ${sha256} is due, and the ${kind} reference gives ${computed}` });
}
