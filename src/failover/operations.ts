/**
 * Long operations of the platform, driven on from message to message.
 *
 * Invariants: an operation is started once and then only looked at, by the token that the run's document keeps; a token
 * whose operation failed is forgotten, so that the next try starts it anew, by the same name. A crash between start and
 * record starts it once more, which meets the same resource.
 */
import type { RunDocument } from '../documents/run.ts';
import { LeewardError, describeError, isLeewardError } from '../kernel/errors.ts';
import type { OperationToken, RecoveryCloud } from '../ports/recovery-cloud.ts';
import type { StepOutcome } from './ports.ts';

/** What stands in the place of a token once its operation has succeeded. */
const SUCCEEDED = 'succeeded';

export interface WantedOperation {
  /** Name in the run's `operations`. */
  readonly key: string;
  /** For people: "disk web-lun0". */
  readonly what: string;
  /** Starts it; undefined when there is nothing to do. Idempotent by name. */
  readonly start: () => Promise<OperationToken | undefined>;
}

/**
 * Starts what was not started and looks once at the rest. Done when all have succeeded. One that fails does not keep the
 * others from being started; the first failure is told, and the tokens of the others are kept.
 */
export async function driveOperations(
  cloud: RecoveryCloud,
  run: RunDocument,
  of: { wanted: readonly WantedOperation[]; done: string },
): Promise<StepOutcome> {
  const operations: Record<string, string> = {};
  const running: string[] = [];
  let afterMs = Infinity;
  let failure: LeewardError | undefined;
  for (const { key, what, start } of of.wanted) {
    const token = run.operations[key];
    try {
      if (token === undefined) {
        operations[key] = (await start()) ?? SUCCEEDED;
        if (operations[key] === SUCCEEDED) continue;
        running.push(what);
        afterMs = Math.min(afterMs, 1000);
      } else if (token === SUCCEEDED) {
        operations[key] = SUCCEEDED;
      } else {
        const state = await look(cloud, { what, token });
        operations[key] = state === 'succeeded' ? SUCCEEDED : token;
        if (state === 'succeeded') continue;
        running.push(what);
        afterMs = Math.min(afterMs, state.retryAfterMs);
      }
    } catch (error) {
      // Only an operation that could not be asked about is still worth asking about.
      if (token !== undefined && isLeewardError(error, 'UNAVAILABLE')) operations[key] = token;
      const told = new LeewardError('PLATFORM_FAILED', `${what}: ${describeError(error)}`, { cause: error });
      failure ??= isLeewardError(error) ? error : told;
    }
  }
  if (failure) return { kind: 'failed', error: failure, changes: { operations } };
  if (running.length === 0) return { kind: 'done', detail: of.done, changes: { operations } };
  return { kind: 'again', afterMs, detail: `under way: ${running.join(', ')}`, changes: { operations } };
}

async function look(
  cloud: RecoveryCloud,
  of: { what: string; token: OperationToken },
): Promise<'succeeded' | { retryAfterMs: number }> {
  const answer = await cloud.poll(of.token);
  switch (answer.state) {
    case 'running':
      return { retryAfterMs: answer.retryAfterMs };
    case 'succeeded':
      return 'succeeded';
    case 'failed': {
      const why = `${of.what}: ${answer.code}: ${answer.message}`;
      if (!answer.capacity) throw new LeewardError('PLATFORM_FAILED', why);
      throw new LeewardError('NO_CAPACITY', `${why}; this version has no other candidate, so the same is tried again`);
    }
  }
}
