/**
 * Chance from a seed, so that a run that failed can be made again: `KILL_SEED=N node --test …`. What a real stack makes of
 * the same choices still differs from run to run; the choices themselves do not.
 */
import { createCipheriv, randomInt } from 'node:crypto';

/** The seed that the environment gives, or a new one. */
export function seedOfRun(): number {
  const given = Number(process.env['KILL_SEED'] ?? '');
  return Number.isInteger(given) && given > 0 ? given : randomInt(1, 2 ** 31);
}

export class Chance {
  readonly #stream;

  constructor(seed: number, name = '') {
    const key = Buffer.alloc(16);
    key.writeUInt32BE(seed);
    key.write(name.slice(0, 12), 4);
    this.#stream = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  }

  bytes(count: number): Buffer {
    return this.#stream.update(Buffer.alloc(count));
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + (this.bytes(6).readUIntBE(0, 6) % (most - least + 1));
  }

  pick<T>(from: readonly [T, ...T[]]): T {
    return from[this.between(0, from.length - 1)] ?? from[0];
  }
}
