/** Times as people read them. */

/** A length of time in seconds, to a tenth. */
export function inSeconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
