/**
 * The functions host killed with SIGKILL again and again while a site replicates: nothing acknowledged is lost, no replica
 * is torn at any moment, and after each restart every volume goes on, within the minute that is promised, although the
 * messages that the killed hosts had in work stay invisible for ten.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isLeewardError } from '../../src/kernel/errors.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import type { CloudLink } from '../../src/ports/cloud-link.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { Chance, seedOfRun } from '../support/integration/chance.ts';
import { LiveSite, register } from '../support/integration/live-site.ts';
import type { LiveVolume } from '../support/integration/live-site.ts';
import { LiveStack, until } from '../support/integration/live-stack.ts';
import { provePoints, stateOf, vhdBytes } from '../support/integration/proof.ts';

/** How long the killing goes on, and how often the host is killed at the least, however slow the machine. */
const KILLING_MS = 40_000;
const KILLS_LEAST = 12;
/** Within this a volume goes on after the host was started again: the promise. */
const GOES_ON_MS = 60_000;
/** How often a new volume's first copy begins, counted in kills. */
const KILLS_PER_FIRST_COPY = 4;
const RESEND_AFTER_MS = 3000;
/** How long a moment is waited for before the host is killed anyway. */
const MOMENT_LIMIT_MS = 4000;

/** When the host is killed. */
const MOMENTS = ['before an entry', 'after an entry', 'message in work', 'delta claimed', 'any'] as const;
type Moment = (typeof MOMENTS)[number];

const seed = seedOfRun();
const chance = new Chance(seed, 'kills');
let stack: LiveStack;
let site: LiveSite;
/** The site at work, until `stop`. */
const stop = new AbortController();
const loops: Promise<void>[] = [];

/** Called around what the site sends; set while a moment is waited for. */
let onSending: (what: Moment) => void = () => undefined;

function watched(link: CloudLink): CloudLink {
  return {
    heartbeat: (message) => link.heartbeat(message),
    lease: (message) => link.lease(message),
    putPages: (blobUrl, offset, bytes) => link.putPages(blobUrl, offset, bytes),
    async putEntry(containerUrl, name, bytes) {
      onSending('before an entry');
      await link.putEntry(containerUrl, name, bytes);
      onSending('after an entry');
    },
    async sendMessage(queueUrl, text) {
      await link.sendMessage(queueUrl, text);
      onSending('message in work');
    },
  };
}

before(async () => {
  stack = await LiveStack.up({ LEEWARD_CLAIM_MS: '2000' });
});

after(async () => {
  stop.abort();
  await Promise.allSettled(loops);
  await site.close();
  await stack.close();
});

/** Changes the volume and replicates it until `stop`. What an outage does to an interval is the replicator's business. */
async function keepReplicating(
  volume: LiveVolume,
  of: { count: number; bytesMax: number; everyMs: number },
): Promise<void> {
  const changes = new Chance(seed, volume.ref.volume);
  while (!stop.signal.aborted) {
    try {
      await volume.interval();
    } catch (error) {
      if (!isLeewardError(error, 'UNAVAILABLE')) throw error;
    }
    await sleep(changes.between(of.everyMs / 2, of.everyMs * 2));
    await volume.change(changes, { count: changes.between(1, of.count), bytesMax: of.bytesMax });
  }
}

/** Resolves at the moment, or when it does not come. */
async function momentComes(moment: Moment): Promise<void> {
  const limit = sleep(MOMENT_LIMIT_MS, undefined, { ref: false });
  switch (moment) {
    case 'before an entry':
    case 'after an entry':
    case 'message in work': {
      const comes = new Promise<void>((resolve) => {
        onSending = (what) => {
          if (what === moment) resolve();
        };
      });
      await Promise.race([comes, limit]);
      onSending = () => undefined;
      if (moment === 'message in work') await sleep(chance.between(0, 150));
      return;
    }
    case 'delta claimed': {
      const begunMs = performance.now();
      while (performance.now() - begunMs < MOMENT_LIMIT_MS) {
        const states = await Promise.all(site.volumes.map(({ id }) => stateOf(stack.storage, id)));
        if (states.some(({ generation }) => generation.claim !== null)) break;
      }
      await sleep(chance.between(0, 10));
      return;
    }
    case 'any':
      await sleep(chance.between(0, 1500));
  }
}

test('nothing is lost or torn by a host that is killed at any moment', { timeout: 280_000 }, async (t) => {
  const folder = join(stack.folder, 'site');
  await mkdir(folder);
  const ids = ['small', 'large', 'first-1', 'first-2', 'first-3'].map((name) => `acme/paris/shop/${name}`);
  const [small = '', large = '', ...firstCopies] = ids;
  const access = await register(stack, small, { volumeBytes: MIB });
  site = await LiveSite.open({ access, folder, wrapLink: watched });
  const replicate = async (
    id: string,
    of: { sizeBytes: number; deltaLiteralBytesMax?: number; count: number; bytesMax: number; everyMs: number },
  ): Promise<void> => {
    await register(stack, id, { volumeBytes: of.sizeBytes });
    const content = new Chance(seed, `${id.slice(-7)} bytes`);
    const volume = await site.addVolume(id, { ...of, chance: content, resendAfterMs: RESEND_AFTER_MS });
    loops.push(keepReplicating(volume, of));
  };
  await replicate(small, { sizeBytes: MIB, count: 4, bytesMax: 4 * KIB, everyMs: 250 });
  await replicate(large, { sizeBytes: 6 * MIB, count: 3, bytesMax: MIB, everyMs: 1000 });
  loops.push(site.siteLink.run(stop.signal, () => undefined));

  const proven = new Map<string, number>();
  const worst = { tipMs: 0, allMs: 0 };
  const found = new Map<string, number>();
  const count = (what: string): unknown => found.set(what, (found.get(what) ?? 0) + 1);
  let kills = 0;
  const begunMs = performance.now();
  for (; kills < KILLS_LEAST || performance.now() - begunMs < KILLING_MS; kills += 1) {
    if (kills % KILLS_PER_FIRST_COPY === 0) {
      const id = firstCopies.shift();
      const sizes = { sizeBytes: 5 * MIB, deltaLiteralBytesMax: MIB };
      if (id !== undefined) await replicate(id, { ...sizes, count: 2, bytesMax: 64 * KIB, everyMs: 2000 });
    }
    const moment = MOMENTS[kills % MOMENTS.length] ?? 'any';
    await momentComes(moment);
    await stack.killHost();
    for (const name of new Set(stack.inWork())) count(`${name} in work`);

    // Nobody works now: what is there is what a recovery would find.
    const standing = [];
    for (const volume of site.volumes) {
      const { id } = volume;
      const { storedNumber, acknowledgedNumber } = volume.replicator.status();
      const { generation, document } = await stateOf(stack.storage, id);
      assert.ok(generation.tip.number >= acknowledgedNumber, `${id}: ${acknowledgedNumber} was acknowledged`);
      assert.equal(document.trouble, null, id);
      const newest = generation.snapshots.at(-1)?.number ?? 0;
      if (newest > (proven.get(id) ?? 0)) await provePoints(stack.storage, id, { contents: volume.contents, count: 1 });
      proven.set(id, newest);
      if (generation.claim) count(document.published === null ? 'first copy claimed' : 'delta claimed');
      if (generation.beyond > generation.tip.number) count('early delta waiting');
      standing.push({ id, tip: generation.tip.number, stored: storedNumber });
    }
    await stack.startHost();
    const startedMs = performance.now();
    await Promise.all(
      standing.map(async ({ id, tip, stored }) => {
        const applied = async (number: number): Promise<number> => {
          const reached = async () =>
            (await stateOf(stack.storage, id)).generation.applied.number >= number ? true : undefined;
          await until(
            () => `kill ${kills + 1} (${moment}), seed ${seed}: ${id} stands below ${number}`,
            GOES_ON_MS,
            reached,
          );
          return performance.now() - startedMs;
        };
        worst.tipMs = Math.max(worst.tipMs, await applied(tip));
        worst.allMs = Math.max(worst.allMs, await applied(stored));
      }),
    );
  }

  stop.abort();
  await Promise.all(loops);
  await Promise.all(site.volumes.map((volume) => volume.interval()));
  for (const volume of site.volumes) {
    const { id, sizeBytes, replicator, contents } = volume;
    await replicator.waitUntilAcknowledged(GOES_ON_MS);
    const { storedNumber } = replicator.status();
    const caughtUp = async () => {
      const { generation } = await stateOf(stack.storage, id);
      return generation.applied.number === storedNumber ? generation : undefined;
    };
    const { tip, replica } = await until(() => `${id} at its end`, GOES_ON_MS, caughtUp);
    assert.equal(tip.number, storedNumber);
    assertSameBytes(await vhdBytes(stack.storage, replica, { volumeBytes: sizeBytes }), await volume.read(), id);
    const points = await provePoints(stack.storage, id, { contents, count: 6 });
    t.diagnostic(`${id}: ${storedNumber} deltas, replica equal, ${points} points equal`);
  }
  assert.deepEqual(await stack.setAside(), [], 'nothing is set aside');

  t.diagnostic(`seed ${seed}; ${kills} kills`);
  t.diagnostic(`cut off by them: ${[...found].map(([what, times]) => `${what} ${times}`).join(', ')}`);
  t.diagnostic(
    `worst: tip reached ${Math.round(worst.tipMs)} ms after the restart, all that was stored ${Math.round(worst.allMs)} ms`,
  );
  assert.ok((found.get('delta claimed') ?? 0) > 0, 'some delta was cut off while it was applied');
  assert.ok((found.get('ingest in work') ?? 0) > 0, 'some message was cut off in work');
});
