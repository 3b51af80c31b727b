/** What a type of resource has of its own; everything that all types share is in `resources.ts`. */
import type { z } from 'zod';
import { refusals } from './refusals.ts';
import type { Resource } from './store.ts';

/** A PUT whose path, group, name and location are in order. */
export interface PutRequest {
  readonly id: string;
  readonly name: string;
  readonly group: string;
  readonly location: string;
  /** The request's body, unknown properties included. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly existing: Resource | undefined;
}

/** What a PUT makes of a resource. */
export interface Accepted {
  /** Properties to store beside those that the client wrote. */
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly local?: Readonly<Record<string, unknown>>;
}

export interface Kind {
  /** As Azure spells it: `Microsoft.Compute/disks`. */
  readonly type: string;
  /** How Azure answers a PUT that creates: with the resource and 201, or with 202. */
  readonly createdStatus: 201 | 202;
  /** Throws the refusal of a name that Azure does not take. */
  checkName(name: string): void;
  /** Checks everything that Azure refuses at once. One PUT at a time is in here. */
  accept(request: PutRequest): Promise<Accepted>;
  /** The part of a creation or change that takes time; idempotent. An ArmError is how the operation failed. */
  provision(resource: Resource): Promise<void>;
  /** Throws the refusal of a deletion that Azure does not take. */
  checkDelete(resource: Resource): void;
  /** Ends what the resource stands for; idempotent. */
  dispose(resource: Resource): Promise<void>;
  /** Properties and tags that only reading shows. */
  view(resource: Resource): {
    readonly properties?: Readonly<Record<string, unknown>>;
    readonly tags?: Readonly<Record<string, string>>;
    readonly managedBy?: string;
  };
}

/** Parses `data` by `schema`, and refuses it as Azure refuses what it cannot deserialize. */
export function parseContent<T>(schema: z.ZodType<T>, data: unknown): T {
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw refusals.contentInvalid(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
}
