/**
 * One call of a function, from its input to its outputs.
 *
 * Invariants: the programming model of the app's own `@azure/functions` builds what the handler sees and reads what it
 * gave back; hooks run around it as in Azure's worker; a call has succeeded only when its outputs are written; it never
 * throws, and its failure is logged once, here.
 */
import { randomUUID } from 'node:crypto';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import type { HostedFunction } from './bindings.ts';
import { hostVersion } from './core.ts';
import type { Log, LogLevel } from './log.ts';
import type { OutputWriter } from './outputs.ts';
import type {
  CoreInvocationContext,
  FunctionCallback,
  HookName,
  InvocationResponse,
  LogCategory,
  ProgrammingModel,
  TypedData,
} from './programming-model.ts';
import { registry } from './registry.ts';

/** What sets a function off. */
export interface InvocationRequest {
  readonly input: TypedData;
  readonly triggerMetadata?: Readonly<Record<string, TypedData>>;
  /** For the log: why it runs. */
  readonly reason: string;
}

export type InvocationResult =
  { readonly succeeded: true; readonly response: InvocationResponse } | { readonly succeeded: false };

/** Runs a function. */
export type Invoke = (hosted: HostedFunction, request: InvocationRequest) => Promise<InvocationResult>;

/** Returns what runs functions of `model`, writing their outputs through `outputs`. */
export function createInvoke(parts: { model: ProgrammingModel; outputs: OutputWriter; log: Log }): Invoke {
  const { model, outputs, log } = parts;
  const appHookData = {};

  return async (hosted, request) => {
    const id = randomUUID();
    const scope = { category: `Function.${hosted.name}`, invocation: { name: hosted.name, id } };
    const write = (level: LogLevel, message: string): void => {
      log.write(level, scope, message);
    };
    const writeFor = (level: LogLevel, category: LogCategory, message: string): void => {
      const hook = { hookData: {}, level, message, category };
      for (const callback of registry.hooks('log')) callback(hook);
      log.write(hook.level, { ...scope, category: `${scope.category}.${hook.category}` }, hook.message);
    };
    const begunMs = performance.now();
    write('information', `executing (${request.reason})`);
    try {
      const core = coreContext(hosted, id, request, writeFor);
      const response = await call(model, core, hosted.callback, appHookData);
      await outputs.write(hosted, response);
      write('information', `succeeded after ${Math.round(performance.now() - begunMs)} ms`);
      return { succeeded: true, response };
    } catch (error) {
      const at = error instanceof Error ? (/\n\s*(at .*)/.exec(error.stack ?? '')?.[1] ?? '') : '';
      const afterMs = Math.round(performance.now() - begunMs);
      write('error', `failed after ${afterMs} ms: ${describeError(error)}${at === '' ? '' : ` (${at})`}`);
      return { succeeded: false };
    }
  };
}

function coreContext(
  hosted: HostedFunction,
  invocationId: string,
  request: InvocationRequest,
  log: CoreInvocationContext['log'],
): CoreInvocationContext {
  const inputData = [{ name: hosted.inputName, data: request.input }];
  const triggerMetadata = request.triggerMetadata ?? {};
  return {
    hostVersion,
    metadata: hosted.metadata,
    invocationId,
    request: { invocationId, inputData, triggerMetadata },
    log,
  };
}

/** The order of Azure's worker, InvocationHandler: arguments, pre hooks, function, post hooks, response. */
async function call(
  model: ProgrammingModel,
  core: CoreInvocationContext,
  callback: FunctionCallback,
  appHookData: Record<string, unknown>,
): Promise<InvocationResponse> {
  const invocation = model.getInvocationModel(core);
  const { context, inputs } = await invocation.getArguments();
  const shared = { hookData: {}, appHookData, invocationContext: context };

  const before = { ...shared, inputs, functionCallback: callback };
  core.state = 'preInvocationHooks';
  await runHooks('preInvocation', before);

  const after: typeof shared & { inputs: unknown[]; result: unknown; error: unknown } = {
    ...shared,
    inputs: before.inputs,
    result: null,
    error: null,
  };
  core.state = 'invocation';
  try {
    after.result = await invocation.invokeFunction(context, before.inputs, before.functionCallback);
  } catch (error) {
    after.error = error ?? new LeewardError('PLATFORM_FAILED', 'the function threw nothing');
  }
  core.state = 'postInvocationHooks';
  await runHooks('postInvocation', after);
  if (after.error instanceof Error) throw after.error;
  if (after.error !== null && after.error !== undefined) throw new Error(describeError(after.error));
  return await invocation.getResponse(context, after.result);
}

/** Runs the app's hooks of one kind, one after the other. */
export async function runHooks(
  name: HookName,
  context: Record<string, unknown> & { hookData: Record<string, unknown> },
) {
  for (const callback of registry.hooks(name)) await callback(context);
}
