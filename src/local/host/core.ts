/**
 * The module that the app's `@azure/functions` gets when it asks for `@azure/functions-core`.
 *
 * Azure's worker supplies a module of that name, which is on no registry; `load-app.ts` puts this one in its place. Its
 * exports are those of the worker's, as far as `@azure/functions` 4.16.5 and its hooks use them.
 */
import { registry } from './registry.ts';
import type { HookCallback, LogCategory, ProgrammingModel } from './programming-model.ts';
import type { LogLevel } from './log.ts';

/** Version of Azure's Node worker that this stands in for; the library asks whether its features exist. */
export const version = '3.9.0';

/** Version of Azure's host that this stands in for. */
export const hostVersion = '4.1037.0';

export class Disposable {
  readonly #dispose: () => void;

  constructor(dispose: () => void) {
    this.#dispose = dispose;
  }

  dispose(): void {
    this.#dispose();
  }
}

export function setProgrammingModel(model: ProgrammingModel): void {
  registry.setProgrammingModel(model);
}

export function getProgrammingModel(): ProgrammingModel | undefined {
  return registry.programmingModel();
}

export function registerFunction(metadata: unknown, callback: unknown): void {
  registry.registerFunction(metadata, callback);
}

export function registerHook(name: string, callback: HookCallback): Disposable {
  return new Disposable(registry.registerHook(name, callback));
}

export function log(level: LogLevel, category: LogCategory, message: string): void {
  registry.log(level, category, message);
}
