/**
 * QEMU's control protocol over the standard input and output of a child process. Source: QEMU, "QEMU Machine Protocol
 * Specification": a greeting, then `qmp_capabilities`, then commands, each answered by `return` or `error`.
 */
import type { ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { z } from 'zod';

const messageSchema = z.looseObject({ QMP: z.unknown(), return: z.unknown(), error: z.unknown() }).partial();

/** Resolves when QEMU has opened every device and runs the guest; rejects when it ends before. */
export async function qemuIsUp(child: ChildProcessByStdio<Writable, Readable, Readable>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => {
      reject(new Error('QEMU ended while it started'));
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      const message = messageSchema.parse(JSON.parse(line));
      if ('QMP' in message) sendCommand(child.stdin, 'qmp_capabilities');
      else if ('return' in message) resolve();
      else if ('error' in message) reject(new Error('QEMU refused a command of its control protocol'));
    });
  });
}

/** Tells QEMU to end at once. It completes what the guest has written so far: the overlays stay sound. */
export function tellToQuit(child: ChildProcessByStdio<Writable, Readable, Readable>): void {
  sendCommand(child.stdin, 'quit');
}

function sendCommand(to: Writable, command: string): void {
  to.write(`${JSON.stringify({ execute: command })}\n`);
}
