/** Faults as wrappers around a port: every call of every method goes through one function. */

/** What a call is about to do, for the interceptor to let happen, delay, repeat or refuse. */
export interface PortCall {
  readonly method: string;
  readonly args: readonly unknown[];
  /** Does it for real. May be called more than once, or never. */
  readonly proceed: () => Promise<unknown>;
}

/**
 * `port`, with each call of a method that returns a promise handed to `around`. Methods that return something else
 * (addresses, listings) are left as they are.
 */
export function intercept<T extends object>(port: T, around: (call: PortCall) => Promise<unknown>): T {
  return new Proxy(port, {
    get(target, property): unknown {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      if (value.constructor.name !== 'AsyncFunction') {
        return (...args: unknown[]): unknown => Reflect.apply(value, target, args);
      }
      // An async function itself, so that what is intercepted can be intercepted once more.
      return async (...args: unknown[]): Promise<unknown> =>
        around({
          method: String(property),
          args,
          proceed: async (): Promise<unknown> => Reflect.apply(value, target, args),
        });
    },
  });
}
