/**
 * Cylinders, heads and sectors of a VHD. Nothing here computes with them; they are in the footer because the format has
 * the field, and some readers derive a disk's size from it.
 */
import { PAGE_BYTES } from '../kernel/units.ts';

/** A disk's shape as a VHD footer holds it. */
export interface Geometry {
  /** 0 … 65,535. */
  readonly cylinders: number;
  /** 0 … 255. */
  readonly heads: number;
  /** Sectors in a track, 0 … 255. */
  readonly sectors: number;
}

/** Most sectors that cylinders, heads and sectors can count. Source: VHD specification 1.0, "CHS Calculation". */
const SECTORS_MAX = 65_535 * 16 * 255;

/**
 * The geometry that the VHD specification 1.0, "CHS Calculation", gives a disk of `dataBytes` (a multiple of 512). It
 * never addresses more than the disk has, and mostly less.
 */
export function geometryOf(dataBytes: number): Geometry {
  const total = Math.min(Math.floor(dataBytes / PAGE_BYTES), SECTORS_MAX);
  const cut = (sectors: number, heads: number): Geometry => ({
    cylinders: Math.floor(Math.floor(total / sectors) / heads),
    heads,
    sectors,
  });
  const fits = (sectors: number, heads: number): boolean => Math.floor(total / sectors) < heads * 1024;
  if (total >= 65_535 * 16 * 63) return cut(255, 16);
  const heads = Math.max(4, Math.ceil(Math.floor(total / 17) / 1024));
  if (heads <= 16 && fits(17, heads)) return cut(17, heads);
  return fits(31, 16) ? cut(31, 16) : cut(63, 16);
}
