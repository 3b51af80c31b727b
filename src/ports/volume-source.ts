/** A volume at the site as a port: a block device or an image file that can be read while it is used. */
import type { VolumeProperties } from '../delta/properties.ts';

export type { VolumeProperties };

export interface VolumeSource {
  /** Size in bytes at this moment, whole pages of 512. Errors: SOURCE_CHANGED when the source is gone. */
  sizeBytes(): Promise<number>;

  /**
   * Fills `into` from `offset` on. Errors: SOURCE_CHANGED when the source is gone or gives fewer bytes than asked for,
   * which means that it shrank.
   */
  read(offset: number, into: Uint8Array): Promise<void>;

  /** What the system knows of the volume besides its bytes; what it does not know is missing. Errors: as {@link sizeBytes}. */
  properties(): Promise<VolumeProperties>;

  close(): Promise<void>;
}
