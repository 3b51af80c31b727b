/** The machine's randomness: Node's cryptographically strong generator. */
import { randomBytes } from 'node:crypto';
import type { Random } from '../kernel/clock.ts';

export class SystemRandom implements Random {
  bytes(count: number): Uint8Array {
    return new Uint8Array(randomBytes(count));
  }
}
