/** The guard's way to the cloud, as a port: the agent's socket, or the cloud itself. Errors: UNAVAILABLE and refusals. */
import type { LeaseAnswer, StoppedAnswer } from '../protocol/lease.ts';
import type { SignedMessage } from '../protocol/signed.ts';

export interface GuardLink {
  lease(message: SignedMessage): Promise<LeaseAnswer>;
  stopped(message: SignedMessage): Promise<StoppedAnswer>;
}
