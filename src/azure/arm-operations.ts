/**
 * Long operations of ARM as tokens: text that one process stores and another goes on with.
 *
 * Invariants: an operation that was accepted is never asked for a second time by its token; looking at one never waits.
 * The two families of clients keep their pollers differently, which is this file's secret.
 */
import { restorePoller } from '@azure/arm-compute';
import { z } from 'zod';
import { LeewardError } from '../kernel/errors.ts';
import type { OperationState, OperationToken } from '../ports/recovery-cloud.ts';
import type { ArmClients } from './arm-clients.ts';
import { classifyArm, failedOperation, isCapacity, isOperationFailure } from './arm-errors.ts';

/** Which operation a token is of; the SDK needs to know it when it goes on. */
const OPERATIONS = ['disk', 'machine', 'interface', 'removal'] as const;
export type ArmOperation = (typeof OPERATIONS)[number];

const tokenSchema = z.object({
  operation: z.enum(OPERATIONS),
  resourceGroup: z.string(),
  name: z.string(),
  /** The SDK's own text; absent when the operation had succeeded when it was accepted. */
  state: z.string().optional(),
});
type Token = z.infer<typeof tokenSchema>;

/** How soon an operation is worth another look. ARM's own Retry-After is not shown by the pollers. */
const LOOK_AFTER_MS = 1000;

/** What the pollers of @azure/arm-compute (core-lro 3) have that is needed here. */
interface SerializablePoller {
  readonly isDone: boolean;
  submitted(): Promise<void>;
  serialize(): Promise<string>;
  /** Throws the operation's failure. */
  pollUntilDone(): Promise<unknown>;
}

/** What the pollers of @azure/arm-network and @azure/arm-resources (core-lro 2) have that is needed here. */
interface SimplePoller {
  isDone(): boolean;
  poll(): Promise<unknown>;
  toString(): string;
}

type What = Omit<Token, 'state'>;

/** The token of an operation of @azure/arm-compute, once it was accepted. Errors: as {@link classifyArm}. */
export async function submitted(what: What, start: () => SerializablePoller): Promise<OperationToken> {
  return await accepted(what, async () => {
    const poller = start();
    await poller.submitted();
    if (!poller.isDone) return await poller.serialize();
    // Ended with its very answer: this asks nothing more, and throws if it failed.
    await poller.pollUntilDone();
    return undefined;
  });
}

/** The token of an operation of the other two packages, once it was accepted. Errors: as {@link classifyArm}. */
export async function begun(what: What, start: () => Promise<SimplePoller>): Promise<OperationToken> {
  return await accepted(what, async () => {
    const poller = await start();
    return poller.isDone() ? undefined : poller.toString();
  });
}

async function accepted(what: What, start: () => Promise<string | undefined>): Promise<OperationToken> {
  try {
    const state = await start();
    return JSON.stringify({ ...what, ...(state === undefined ? {} : { state }) } satisfies Token);
  } catch (error) {
    throw classifyArm(error, `${what.operation} ${what.name}`);
  }
}

/** Looks once at an operation. Errors: UNAVAILABLE and others when it cannot be asked about, which is not its failure. */
export async function pollOperation(clients: ArmClients, text: OperationToken): Promise<OperationState> {
  const token = parseToken(text);
  if (token.state === undefined) return { state: 'succeeded' };
  try {
    return (await lookOnce(clients, token, token.state))
      ? { state: 'succeeded' }
      : { state: 'running', retryAfterMs: LOOK_AFTER_MS };
  } catch (error) {
    if (!isOperationFailure(error)) throw classifyArm(error, `${token.operation} ${token.name}`);
    const failure = failedOperation(error);
    return { state: 'failed', ...failure, capacity: isCapacity(failure) };
  }
}

/** True when it has succeeded, false while it is under way. Throws what the pollers throw. */
async function lookOnce(
  clients: ArmClients,
  { operation, resourceGroup, name }: Token,
  state: string,
): Promise<boolean> {
  switch (operation) {
    case 'disk':
    case 'machine': {
      const { disks, virtualMachines } = clients.compute;
      const poller =
        operation === 'disk'
          ? restorePoller(clients.compute, state, disks.createOrUpdate)
          : restorePoller(clients.compute, state, virtualMachines.createOrUpdate);
      await poller.poll();
      return poller.isDone;
    }
    case 'interface': {
      const poller = await clients.network.networkInterfaces.beginCreateOrUpdate(
        resourceGroup,
        name,
        {},
        { resumeFrom: state },
      );
      return poller.isDone();
    }
    case 'removal': {
      const poller = await clients.resources.resourceGroups.beginDelete(name, { resumeFrom: state });
      return poller.isDone();
    }
  }
}

function parseToken(text: OperationToken): Token {
  try {
    return tokenSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new LeewardError('DOCUMENT_INVALID', 'this is not the token of an operation', { cause: error });
  }
}
