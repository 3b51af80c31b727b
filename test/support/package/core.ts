/**
 * The `@azure/functions-core` that test/support/package/load.ts supplies in place of Azure's worker: it keeps what the
 * app registers and does nothing else. It imports nothing, so that it does not weigh in the time that is measured.
 */
export const version = '3.9.0';
export const hostVersion = '4.1037.0';

export interface Registered {
  readonly metadata: { readonly name: string; readonly bindings: Readonly<Record<string, { readonly type: string }>> };
  readonly callback: (...args: unknown[]) => unknown;
}

export const registered: Registered[] = [];

export function registerFunction(metadata: Registered['metadata'], callback: Registered['callback']): void {
  registered.push({ metadata, callback });
}

export function setProgrammingModel(): void {
  // What is measured here needs no invocation model.
}

export function registerHook(): { dispose: () => void } {
  return { dispose: () => undefined };
}

export function log(): void {
  // What the library says while it loads is of no interest here.
}
