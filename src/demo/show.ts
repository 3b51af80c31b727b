/** Sizes for people. */
import { KIB, MIB } from '../kernel/units.ts';

/** `bytes` with a binary unit. */
export function showBytes(bytes: number): string {
  if (bytes < KIB) return `${bytes} B`;
  return bytes < MIB ? `${(bytes / KIB).toFixed(1)} KiB` : `${(bytes / MIB).toFixed(1)} MiB`;
}
