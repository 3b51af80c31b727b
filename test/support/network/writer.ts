/**
 * The application of these tests: `node writer.ts URL` writes a counter to the witness as often as it can say so, until it is
 * ended. It knows nothing of leases, and a witness that it cannot reach for a moment does not end it.
 */
import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const EVERY_MS = 20;
const LIMIT_MS = 500;

const url = process.argv[2] ?? '';
const writer = randomUUID();

async function write(counter: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const sent = request(`${url}/${writer}/${counter}`, { method: 'POST', signal: AbortSignal.timeout(LIMIT_MS) });
    sent.on('response', (answer) => answer.resume());
    sent.on('error', () => undefined);
    sent.on('close', resolve);
    sent.end();
  });
}

for (let counter = 0; ; counter += 1) {
  await write(counter);
  await sleep(EVERY_MS);
}
