/**
 * Ports that a part keeps over its restarts.
 *
 * They lie below the range from which the kernel takes the source ports of outgoing connections. In that range another
 * connection could take a port while its part is down, and a client that tries to reach the part could even be connected to
 * itself.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { LeewardError } from '../../kernel/errors.ts';

const LEAST = 15_000;
/** Linux's own default, for where it cannot be read. Source: ip(7), ip_local_port_range. */
const OUTGOING_FROM = 32_768;
const ATTEMPTS = 200;

/** Whether somebody could listen on 127.0.0.1:`port` now. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/** A port on which nobody listens, none of `taken`. Throws UNAVAILABLE. */
export async function choosePort(taken: readonly number[]): Promise<number> {
  const below = Math.max(outgoingFrom(), LEAST + 1000);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(LEAST, below);
    if (!taken.includes(port) && (await isFree(port))) return port;
  }
  throw new LeewardError('UNAVAILABLE', `no free port of 127.0.0.1 was found between ${LEAST} and ${below}`);
}

function outgoingFrom(): number {
  try {
    const [from] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/);
    return Number(from);
  } catch {
    return OUTGOING_FROM;
  }
}
