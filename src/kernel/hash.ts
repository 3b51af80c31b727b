/** SHA-256 (FIPS 180-4), the one hash of every format here. */
import { createHash, hash } from 'node:crypto';

/** SHA-256 of `bytes`, 64 lower-case hexadecimal digits. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'hex');
}

/** A SHA-256 that is fed piece by piece. */
export interface Sha256 {
  update(bytes: Uint8Array | string): Sha256;
  hex(): string;
}

export function sha256(): Sha256 {
  const state = createHash('sha256');
  const self: Sha256 = {
    update(bytes) {
      state.update(bytes);
      return self;
    },
    hex: () => state.digest('hex'),
  };
  return self;
}

/** Form of a digest in text: 64 lower-case hexadecimal digits. */
export const DIGEST_FORM = /^[0-9a-f]{64}$/;

/** The predecessor's digest of a generation's first delta, which has none. */
export const NO_DIGEST = '0'.repeat(64);
