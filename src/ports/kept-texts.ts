/**
 * Small texts that must not be forgotten, by name, as a port.
 *
 * Promises an adapter keeps: when `write` resolves the text is on stable storage; after a crash there is the old one or the
 * new one; names are lower-case letters, digits, hyphens and dots, at most 200 characters.
 */
export interface KeptTexts {
  /** Undefined where there is none. */
  read(name: string): Promise<string | undefined>;
  write(name: string, text: string): Promise<void>;
  /** All names, in their order. */
  list(): Promise<readonly string[]>;
  /** One that is not there is well. */
  remove(name: string): Promise<void>;
}
