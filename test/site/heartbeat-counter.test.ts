/** The counter of a heartbeat, where the site's clock was far ahead for a while. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeewardError } from '../../src/kernel/errors.ts';
import type { CloudLink } from '../../src/ports/cloud-link.ts';
import { heartbeatSchema } from '../../src/protocol/heartbeat.ts';
import { SiteLink } from '../../src/site/send/site-link.ts';
import { ManualClock } from '../support/memory/clock.ts';

const YEAR_MS = 365 * 86_400_000;

test('what the cloud refused for being far ahead does not outlast the clock that made it', async () => {
  const clock = new ManualClock();
  const rightMs = clock.wallMs();
  let state: string | undefined;
  const counters: number[] = [];
  const unused = async (): Promise<never> => assert.fail('not asked');
  const link: CloudLink = {
    heartbeat: async ({ payload }) => {
      const { counter, groups } = heartbeatSchema.parse(JSON.parse(payload));
      assert.equal(groups, undefined, 'who watches nothing says that nothing runs');
      counters.push(counter);
      throw counter > rightMs + 86_400_000
        ? new LeewardError('REFUSED', 'far ahead')
        : new LeewardError('UNAVAILABLE', 'no answer');
    },
    lease: unused,
    putEntry: unused,
    putPages: unused,
    sendMessage: unused,
  };
  const siteLink = (): SiteLink =>
    new SiteLink({
      site: 'acme/paris',
      key: { signer: 'acme/paris', name: 'k1', secret: new Uint8Array(32) },
      clock,
      link,
      store: {
        readState: async () => state,
        writeState: async (text) => {
          state = text;
        },
      },
    });
  const first = siteLink();
  await assert.rejects(first.heartbeat(), { code: 'UNAVAILABLE' });
  clock.advance(YEAR_MS);
  await assert.rejects(first.heartbeat(), { code: 'REFUSED' });
  clock.advance(-YEAR_MS);
  await assert.rejects(first.heartbeat(), { code: 'UNAVAILABLE' });
  await assert.rejects(siteLink().heartbeat(), { code: 'UNAVAILABLE' });
  assert.deepEqual(counters, [rightMs, rightMs + YEAR_MS, rightMs + 1, rightMs + 2]);
});
