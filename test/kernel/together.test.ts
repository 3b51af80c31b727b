import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { sideBySide } from '../../src/kernel/together.ts';

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted)
    await new Promise((resolve) => {
      signal.addEventListener('abort', resolve, { once: true });
    });
}

test('what one work throws ends the others, and is thrown once they have ended', async () => {
  const never = new AbortController().signal;
  let hasEnded = false;
  const works = [
    async (signal: AbortSignal) => {
      await untilAborted(signal);
      await turn();
      hasEnded = true;
      throw new Error('thrown by the end alone');
    },
    async () => {
      await turn();
      throw new Error('unforeseen');
    },
  ];
  await assert.rejects(sideBySide(never, works), /^Error: unforeseen$/);
  assert.equal(hasEnded, true);
});

test('works end with the signal', async () => {
  const ending = new AbortController();
  const ended = sideBySide(ending.signal, [untilAborted, untilAborted]);
  ending.abort();
  await ended;
});
