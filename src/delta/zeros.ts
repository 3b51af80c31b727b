/** Finding zeros at the speed of memory. */

const STEP_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(STEP_BYTES);

/** Bytes at either end that are looked at one by one. */
const GLANCE_BYTES = 8;

/** Whether `bytes` from `start` up to before `end` are all zero. */
export function isZeros(bytes: Uint8Array, start: number, end: number): boolean {
  // Most data differs from zero within a few bytes; looking at those is far cheaper than a call out of JavaScript.
  const beginning = Math.min(end, start + GLANCE_BYTES);
  for (let at = start; at < beginning; at += 1) if (bytes[at] !== 0) return false;
  for (let at = Math.max(beginning, end - GLANCE_BYTES); at < end; at += 1) if (bytes[at] !== 0) return false;
  // The zeros are compared with the bytes, not the other way round: that takes any Uint8Array, and makes no view of it.
  for (let at = beginning; at < end; at += STEP_BYTES) {
    const stop = Math.min(end, at + STEP_BYTES);
    if (ZEROS.compare(bytes, at, stop, 0, stop - at) !== 0) return false;
  }
  return true;
}
