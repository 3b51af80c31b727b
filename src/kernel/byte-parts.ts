/**
 * Bytes that lie in several pieces of memory, one behind the other: what is made of many parts need not be copied together
 * to be sent. Whoever hands them on promises that they do not change.
 */
export interface ByteParts {
  readonly parts: readonly Uint8Array[];
  readonly lengthBytes: number;
}

/** The parts of `bytes`, wherever they lie. */
export function partsOf(bytes: Uint8Array | ByteParts): readonly Uint8Array[] {
  return 'parts' in bytes ? bytes.parts : [bytes];
}

/** How many there are. */
export function lengthOf(bytes: Uint8Array | ByteParts): number {
  return 'parts' in bytes ? bytes.lengthBytes : bytes.length;
}

/** `bytes` in one piece of memory: themselves, or a copy of their parts. */
export function joined(bytes: Uint8Array | ByteParts): Uint8Array {
  return 'parts' in bytes ? Buffer.concat(bytes.parts, bytes.lengthBytes) : bytes;
}
