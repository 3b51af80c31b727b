/**
 * What passes between the host and `@azure/functions`: the shapes of `@azure/functions-core` 1.x that 4.16.5 uses.
 *
 * The library turns these into what a handler sees (`InvocationContext`, `HttpRequest`, parsed JSON) and back, so that a
 * function gets here exactly what it gets behind Azure's worker. Source: azure-functions-nodejs-library 4.16.5.
 */
import { z } from 'zod';
import type { LogLevel } from './log.ts';

/** A value on its way between host and worker; at most one member is set. */
export interface TypedData {
  string?: string;
  json?: string;
  bytes?: Uint8Array;
  int?: number;
  double?: number;
  http?: HttpData;
}

/** An HTTP request to the worker, or its response. */
export interface HttpData {
  method?: string;
  url?: string;
  nullableHeaders?: Record<string, { value: string }>;
  nullableQuery?: Record<string, { value: string }>;
  nullableParams?: Record<string, { value: string }>;
  body?: TypedData | null;
  /** The request itself: the library then reads its body when the function does, and method, URL and headers from it. */
  nativeRequest?: Request;
  statusCode?: string;
  headers?: Record<string, string>;
  cookies?: unknown[];
}

const bindingSchema = z.looseObject({ type: z.string(), direction: z.enum(['in', 'out', 'inout']) });

/** A function as it is registered. */
export const metadataSchema = z.looseObject({
  name: z.string(),
  bindings: z.record(z.string(), bindingSchema),
  retryOptions: z.unknown().optional(),
});

export type FunctionMetadata = z.infer<typeof metadataSchema>;
export type FunctionCallback = (...args: unknown[]) => unknown;
export type LogCategory = 'user' | 'system' | 'customMetric';

/** One call of a function, as the worker announces it to the programming model. */
export interface CoreInvocationContext {
  readonly hostVersion: string;
  readonly metadata: FunctionMetadata;
  readonly invocationId: string;
  readonly request: {
    readonly invocationId: string;
    readonly inputData: readonly { readonly name: string; readonly data: TypedData }[];
    readonly triggerMetadata: Readonly<Record<string, TypedData>>;
  };
  state?: 'preInvocationHooks' | 'postInvocationHooks' | 'invocation';
  log(level: LogLevel, category: LogCategory, message: string): void;
}

/** What a function gave back. */
export interface InvocationResponse {
  readonly returnValue?: TypedData | null;
  readonly outputData?: readonly { readonly name: string; readonly data: TypedData }[];
}

/** One call, in the programming model's hands. */
export interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], handler: FunctionCallback): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<InvocationResponse>;
}

/** The programming model that the app's `@azure/functions` announces. */
export interface ProgrammingModel {
  readonly name: string;
  readonly version: string;
  getInvocationModel(context: CoreInvocationContext): InvocationModel;
  getCapabilities(capabilities: Record<string, string>): Promise<Record<string, string>>;
}

/** What a hook gets; the kinds of hook add their own members. */
export type HookContext = Record<string, unknown> & { hookData: Record<string, unknown> };
export type HookCallback = (context: HookContext) => unknown;
export const HOOK_NAMES = ['appStart', 'appTerminate', 'preInvocation', 'postInvocation', 'log'] as const;
export type HookName = (typeof HOOK_NAMES)[number];
