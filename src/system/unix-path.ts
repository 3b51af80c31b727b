/**
 * Reaching a Unix socket whose path is longer than an address has room for: by way of its folder, which is held open.
 *
 * Invariant: the short path is good until it is closed, and for this process alone.
 */
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LeewardError } from '../kernel/errors.ts';

/** Source: Linux, unix(7), sun_path. */
const PATH_BYTES_MAX = 107;
/** Source: Linux, proc_pid_fd(5). */
const DESCRIPTORS = '/proc/self/fd';

export interface SocketAddress {
  readonly path: string;
  close(): Promise<void>;
}

/** The socket at `path`, in a folder that is there. Errors: USAGE where its path is too long and there is no way around. */
export async function socketAddress(path: string): Promise<SocketAddress> {
  if (Buffer.byteLength(path) <= PATH_BYTES_MAX) return { path, close: async () => Promise.resolve() };
  if (!existsSync(DESCRIPTORS)) {
    throw new LeewardError('USAGE', `${path} is too long for a socket: use a shorter --state folder`);
  }
  const folder = await open(dirname(path), 'r');
  return { path: join(DESCRIPTORS, String(folder.fd), basename(path)), close: async () => folder.close() };
}
