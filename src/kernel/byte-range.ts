/** A range of bytes: of a volume, of its replica, or of any other blob. */

/** `offset` counts from 0. Whoever needs it aligned, or longer than nothing, says so. */
export type ByteRange = {
  readonly offset: number;
  readonly lengthBytes: number;
};
