/** What is offline on purpose is told at once, by a heartbeat that cannot have been put together before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeewardError } from '../../../src/kernel/errors.ts';
import type { CloudLink } from '../../../src/ports/cloud-link.ts';
import type { HeartbeatAnswer, OfflineWord } from '../../../src/protocol/heartbeat.ts';
import { heartbeatSchema } from '../../../src/protocol/heartbeat.ts';
import { OfflineTeller } from '../../../src/site/agent/offline-teller.ts';
import { SiteLink } from '../../../src/site/send/site-link.ts';
import { CURRENT_VERSION } from '../../../src/kernel/versions.ts';
import { ManualClock } from '../../support/memory/clock.ts';

const SITE = 'acme/paris';

function world() {
  const clock = new ManualClock();
  const heard: (readonly OfflineWord[] | undefined)[] = [];
  const unused = async (): Promise<never> => assert.fail('not asked');
  const cloud = { answers: async (): Promise<void> => undefined };
  const url = 'https://cloud.example/';
  const answer: HeartbeatAnswer = {
    ...{ version: CURRENT_VERSION, site: SITE, volumes: [], groups: [], everyMs: 15_000 },
    access: { queues: { deltas: url, bulk: url }, journal: url, expiresAtMs: clock.wallMs() + 3_600_000 },
  };
  const link: CloudLink = {
    heartbeat: async ({ payload }) => {
      heard.push(heartbeatSchema.parse(JSON.parse(payload)).offline);
      await cloud.answers();
      return answer;
    },
    ...{ lease: unused, putEntry: unused, putPages: unused, sendMessage: unused },
  };
  // The folder, and what the watch has read of it.
  let [folder, read]: OfflineWord[][] = [[], []];
  const word = () => ({ groups: [], offline: read ?? [] });
  const key = { signer: SITE, name: 'k1', secret: new Uint8Array(32) };
  const store = { readState: async () => undefined, writeState: async () => undefined };
  const siteLink = new SiteLink({ site: SITE, key, clock, link, store, word });
  const readMarks = async (): Promise<void> => {
    read = folder;
  };
  const mark = (offline: OfflineWord[]): void => {
    folder = offline;
  };
  return { heard, cloud, siteLink, mark, teller: new OfflineTeller({ word, readMarks }, siteLink) };
}

const MARK: OfflineWord = { what: 'site', untilMs: 4_000_000_000_000 };

test('a heartbeat that is under way does not count: the one after it has the mark', async () => {
  const { heard, cloud, siteLink, mark, teller } = world();
  const gate = Promise.withResolvers<undefined>();
  cloud.answers = async () => gate.promise;
  const before = siteLink.heartbeat();
  while (heard.length === 0) await new Promise(setImmediate);
  mark([MARK]);
  const told = teller.tell();
  gate.resolve(undefined);
  assert.deepEqual(await told, [MARK]);
  await before;
  assert.deepEqual(heard, [[], [MARK]]);
});

test('before the agent ends, only what the cloud has not heard is told, and what it did not answer is not heard', async () => {
  const { heard, cloud, siteLink, mark, teller } = world();
  await siteLink.heartbeat();
  await teller.tellLast();
  assert.equal(heard.length, 1, 'nothing is new');
  mark([MARK]);
  cloud.answers = async () => Promise.reject(new LeewardError('UNAVAILABLE', 'no answer'));
  await assert.rejects(teller.tell(), { code: 'UNAVAILABLE' });
  cloud.answers = async () => undefined;
  await teller.tellLast();
  assert.deepEqual(heard, [[], [MARK], [MARK]]);
  await teller.tellLast();
  mark([]);
  await teller.tellLast();
  assert.deepEqual(heard.slice(3), [[]], 'one that was taken back is told too');
});
