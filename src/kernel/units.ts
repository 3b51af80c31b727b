/** Units of size and time. Bytes and milliseconds everywhere; names of constants say the rest. */

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

export const DAY_MS = 86_400_000;

/** The unit of a page blob's writes. Source: Azure Storage REST, "Put Page": ranges are aligned to 512 bytes. */
export const PAGE_BYTES = 512;

/**
 * The largest data of a page blob that Azure imports as a disk, footer apart: 8 TiB less a GiB, because disks are imported in
 * whole MiB up to that. docs/vhd-format.md, "Limits".
 */
export const VOLUME_BYTES_MAX = 8191 * GIB;

/** `value` rounded up to a multiple of `unit`; both whole numbers below 2^53, `unit` above zero. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
