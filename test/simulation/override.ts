/** A port with some of its methods done otherwise; the rest goes to the port itself. */
export function override<T extends object>(port: T, methods: Partial<T>): T {
  return new Proxy(port, {
    get(target, property): unknown {
      const own: unknown = Reflect.get(methods, property);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, property, target);
      // A bound async function still is one, which `intercept` looks at.
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
