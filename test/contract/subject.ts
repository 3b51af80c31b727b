/** An adapter under contract. */
export interface Subject<T> {
  /** The adapter. Called in a test, when whatever it stands on is up. */
  readonly open: () => T;
  /** A name that nobody else uses, ending in `what`. */
  readonly fresh: (what: string) => string;
}

let count = 0;

/** {@link Subject.fresh} for any adapter. */
export function freshName(what: string): string {
  count += 1;
  return `t${count}-${what}`;
}
