/**
 * What the app registered. One process runs one app, so there is one registry in it.
 *
 * Invariants: functions are registered only while the app loads; a name has Azure's form and is taken once, whatever its
 * case; a programming model is set before the first function needs it.
 */
import { LeewardError } from '../../kernel/errors.ts';
import type { LogLevel } from './log.ts';
import { HOOK_NAMES, metadataSchema } from './programming-model.ts';
import type {
  FunctionCallback,
  FunctionMetadata,
  HookCallback,
  HookName,
  LogCategory,
  ProgrammingModel,
} from './programming-model.ts';

/** Form of a function's name. Source: azure-functions-host, FunctionNameValidationRegex (it ignores case). */
const NAME_FORM = /^(?!host$)[a-z][a-z0-9_-]{0,127}$/i;

/** A function as it was registered, before its bindings were looked at. */
export interface Registration {
  readonly metadata: FunctionMetadata;
  readonly callback: FunctionCallback;
}

/** Where what the library logs outside of an invocation goes. */
export type SystemLog = (level: LogLevel, category: LogCategory, message: string) => void;

const functions = new Map<string, Registration>();
const hooks = new Map<HookName, Set<HookCallback>>(HOOK_NAMES.map((name) => [name, new Set()]));
let model: ProgrammingModel | undefined;
let loading = true;
let systemLog: SystemLog = () => undefined;

export const registry = {
  setProgrammingModel(announced: ProgrammingModel): void {
    model = announced;
  },

  /** The model that the app announced; undefined when it registered nothing. */
  programmingModel(): ProgrammingModel | undefined {
    return model;
  },

  /** Takes a registration. Throws MESSAGE_INVALID, ALREADY_EXISTS, or REFUSED once the app is loaded. */
  registerFunction(metadata: unknown, callback: unknown): void {
    const parsed = metadataSchema.safeParse(metadata);
    if (!parsed.success)
      throw new LeewardError('MESSAGE_INVALID', 'a function was registered without name or bindings');
    const { name } = parsed.data;
    if (!loading)
      throw new LeewardError('REFUSED', `function ${name}: functions are registered only while the app loads`);
    if (!NAME_FORM.test(name)) {
      throw new LeewardError(
        'IDENTIFIER_INVALID',
        `function "${name}": a name begins with a letter, goes on with letters, digits, _ and -, and has at most 128`,
      );
    }
    if (functions.has(name.toLowerCase())) {
      throw new LeewardError('ALREADY_EXISTS', `a function named "${name}" is registered already`);
    }
    if (typeof callback !== 'function') throw new LeewardError('USAGE', `function ${name} has no handler`);
    functions.set(name.toLowerCase(), {
      metadata: parsed.data,
      callback: (...args): unknown => Reflect.apply(callback, undefined, args),
    });
  },

  /** Takes a hook; returns what removes it. Throws USAGE for a kind that the worker does not know. */
  registerHook(name: string, callback: HookCallback): () => void {
    const known = HOOK_NAMES.find((hook) => hook === name);
    const callbacks = known && hooks.get(known);
    if (!callbacks) throw new LeewardError('USAGE', `there is no hook "${name}"`);
    callbacks.add(callback);
    return () => void callbacks.delete(callback);
  },

  hooks(name: HookName): readonly HookCallback[] {
    return [...(hooks.get(name) ?? [])];
  },

  log(level: LogLevel, category: LogCategory, message: string): void {
    systemLog(level, category, message);
  },

  setSystemLog(log: SystemLog): void {
    systemLog = log;
  },

  /** Ends the loading of the app; returns what it registered, in that order. */
  close(): readonly Registration[] {
    loading = false;
    return [...functions.values()];
  },
};
