/**
 * What a registration's bindings ask for, resolved and checked.
 *
 * Invariants: a function has exactly one trigger, of a kind that this host runs; a binding that it cannot serve as Azure
 * would is refused when the app loads, never ignored. `%NAME%` is resolved here, once.
 */
import { z } from 'zod';
import { LeewardError } from '../../kernel/errors.ts';
import type { FunctionCallback, FunctionMetadata } from './programming-model.ts';
import type { Registration } from './registry.ts';
import { resolveExpression } from './settings.ts';
import type { Environment } from './settings.ts';

export interface QueueTrigger {
  readonly kind: 'queue';
  readonly queueName: string;
  readonly connection: string | undefined;
}

export interface TimerTrigger {
  readonly kind: 'timer';
  readonly schedule: string;
  readonly runOnStartup: boolean;
  readonly useMonitor: boolean;
}

export type AuthLevel = 'anonymous' | 'function' | 'admin';

export interface HttpTrigger {
  readonly kind: 'http';
  readonly route: string;
  /** Upper case. */
  readonly methods: readonly string[];
  readonly authLevel: AuthLevel;
}

/** A queue that the function's return value or an extra output goes to. */
export interface QueueOutput {
  readonly bindingName: string;
  readonly queueName: string;
  readonly connection: string | undefined;
}

/** A function of the app, ready to be run. */
export interface HostedFunction<Trigger = QueueTrigger | TimerTrigger | HttpTrigger> {
  readonly name: string;
  /** Name of the trigger's binding, under which its input is handed over. */
  readonly inputName: string;
  readonly trigger: Trigger;
  readonly outputs: readonly QueueOutput[];
  readonly metadata: FunctionMetadata;
  readonly callback: FunctionCallback;
}

/** Name of the binding that carries a function's return value. Source: azure-functions-nodejs-library, constants. */
export const RETURN_BINDING = '$return';

const queueForm = z.looseObject({ queueName: z.string().min(1), connection: z.string().optional() });
const timerForm = z.looseObject({
  schedule: z.string().min(1),
  runOnStartup: z.boolean().default(false),
  useMonitor: z.boolean().default(true),
});
const httpForm = z.looseObject({
  route: z.string().optional(),
  methods: z.array(z.string()).default([]),
  authLevel: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['anonymous', 'function', 'admin'])),
});

/** Reads a registration. Throws USAGE that names the function and the property. */
export function hostedFunction(registration: Registration, environment: Environment): HostedFunction {
  const { metadata, callback } = registration;
  const { name } = metadata;
  if (metadata.retryOptions) throw new LeewardError('USAGE', `function ${name}: the local host has no retry policies`);
  const inputs = Object.entries(metadata.bindings).filter(([, binding]) => binding.direction !== 'out');
  const [first, ...others] = inputs;
  if (!first || others.length > 0) {
    throw new LeewardError('USAGE', `function ${name}: the local host runs a trigger and no further inputs`);
  }
  const [inputName, binding] = first;
  const trigger = parseTrigger(name, binding, environment);
  const outputs = Object.entries(metadata.bindings).flatMap(([bindingName, output]) => {
    const type = output.type.toLowerCase();
    if (output.direction !== 'out' || (type === 'http' && trigger.kind === 'http')) return [];
    if (type !== 'queue') throw new LeewardError('USAGE', `function ${name}: no output of type ${output.type} here`);
    const { queueName, connection } = parse(queueForm, output, name);
    return [{ bindingName, queueName: resolveExpression(queueName, `${name}: queueName`, environment), connection }];
  });
  return { name, inputName, trigger, outputs, metadata, callback };
}

function parseTrigger(
  name: string,
  binding: { type: string },
  environment: Environment,
): QueueTrigger | TimerTrigger | HttpTrigger {
  switch (binding.type.toLowerCase()) {
    case 'queuetrigger': {
      const { queueName, connection } = parse(queueForm, binding, name);
      return { kind: 'queue', queueName: resolveExpression(queueName, `${name}: queueName`, environment), connection };
    }
    case 'timertrigger': {
      const timer = parse(timerForm, binding, name);
      const schedule = resolveExpression(timer.schedule, `${name}: schedule`, environment);
      return { kind: 'timer', schedule, runOnStartup: timer.runOnStartup, useMonitor: timer.useMonitor };
    }
    case 'httptrigger': {
      const http = parse(httpForm, binding, name);
      const route = resolveExpression(http.route ?? name, `${name}: route`, environment);
      return { kind: 'http', route, methods: http.methods.map((m) => m.toUpperCase()), authLevel: http.authLevel };
    }
    default:
      throw new LeewardError('USAGE', `function ${name}: the local host has no trigger of type ${binding.type}`);
  }
}

function parse<T>(schema: z.ZodType<T>, binding: unknown, name: string): T {
  const parsed = schema.safeParse(binding);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new LeewardError('USAGE', `function ${name}: ${issues.join('; ')}`);
}

/** True for a function with a trigger of `kind`. */
export function hasTrigger<Kind extends HostedFunction['trigger']['kind']>(
  hosted: HostedFunction,
  kind: Kind,
): hosted is HostedFunction<Extract<HostedFunction['trigger'], { kind: Kind }>> {
  return hosted.trigger.kind === kind;
}
