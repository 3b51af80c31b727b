/**
 * Long operations: accepted at once, done later, asked about in between.
 *
 * Invariants: an operation that was accepted ends, as Succeeded or Failed, also when the local ARM was restarted in
 * between: its work is idempotent and begins anew. What fails is told in the operation's status alone, as Azure does.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeError } from '../../kernel/errors.ts';
import { ArmError } from './refusals.ts';
import { keyOf } from './resource-id.ts';
import type { Documents, Operation } from './store.ts';

/** How long an operation that ended can still be asked about. */
const KEEP_MS = 24 * 3600_000;

export interface Operations {
  /** Accepts an operation and begins it. */
  begin(of: { verb: Operation['verb']; resourceId: string }): Operation;
  /** The operation of `verb` that is under way for a resource. */
  underWay(of: { verb: Operation['verb']; resourceId: string }): Operation | undefined;
  get(id: string): Operation | undefined;
  /** Begins anew what was under way when the process ended. */
  resume(): void;
  /** Begins nothing more, and resolves when what has begun its work has ended it. */
  close(): Promise<void>;
}

/** `work` does what an operation is for; it throws an {@link ArmError} for what Azure would report as failed. */
export function createOperations(of: {
  documents: Documents<Operation>;
  operationMs: number;
  work: (operation: Operation) => Promise<void>;
}): Operations {
  const { documents } = of;
  const closing = new AbortController();
  const running = new Set<Promise<void>>();

  const run = async (operation: Operation): Promise<void> => {
    try {
      await sleep(of.operationMs, undefined, { signal: closing.signal });
    } catch {
      return;
    }
    const ended = { ...operation, status: 'Succeeded' as const };
    try {
      await of.work(operation);
      documents.put({ ...ended, endMs: Date.now() });
    } catch (error) {
      const code = error instanceof ArmError ? error.armCode : 'InternalExecutionError';
      const message = describeError(error).replaceAll(/\?[^\s"']*/g, '?…');
      documents.put({ ...ended, status: 'Failed', endMs: Date.now(), error: { code, message } });
    }
  };
  const start = (operation: Operation): void => {
    const done = run(operation).finally(() => running.delete(done));
    running.add(done);
  };

  return {
    begin({ verb, resourceId }) {
      const operation: Operation = { id: randomUUID(), verb, resourceId, startMs: Date.now(), status: 'InProgress' };
      documents.put(operation);
      start(operation);
      return operation;
    },
    underWay: ({ verb, resourceId }) =>
      documents.all().find((operation) => {
        const same = keyOf(operation.resourceId) === keyOf(resourceId);
        return same && operation.verb === verb && operation.status === 'InProgress';
      }),
    get: (id) => documents.get(id),
    resume() {
      for (const operation of documents.all()) {
        if (operation.status === 'InProgress') start(operation);
        else if ((operation.endMs ?? 0) < Date.now() - KEEP_MS) documents.remove(operation.id);
      }
    },
    async close() {
      closing.abort();
      await Promise.all(running);
    },
  };
}
