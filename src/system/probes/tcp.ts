/** Whether a port takes a connection, which is ended at once. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Finding, TcpCheck } from '../../ports/probe.ts';
import { lookupUntil } from '../lookup.ts';
import { bad, shortly, well } from './words.ts';

export async function checkTcp({ host, port }: TcpCheck, signal: AbortSignal): Promise<Finding> {
  const socket = connect({ host, port, lookup: lookupUntil(signal) });
  // Whatever comes after the first event says nothing.
  socket.on('error', () => undefined);
  try {
    await once(socket, 'connect', { signal });
    return well(`port ${port} of ${host} takes connections`);
  } catch (error) {
    signal.throwIfAborted();
    return bad(`port ${port} of ${host} takes no connection (${shortly(error)})`);
  } finally {
    socket.destroy();
  }
}
