/** How things are written for people. */

/** A length of time in seconds, to a tenth. */
export function inSeconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}

/** At most `max` characters of `text`; what was cut off shows. */
export function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max - 1)}…` : text;
}
