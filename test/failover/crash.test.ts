/**
 * A process dies before or after every single write of a whole failover, from the monitor's decision on. Its message is
 * lost with it. Only the monitor's later ticks resume; the end must be the same run, and nothing made twice.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { currentGeneration, volumeKind } from '../../src/documents/volume.ts';
import { parseVolume } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { WINDOW_MS, VOLUMES, createWorld } from './world.ts';
import type { World } from './world.ts';

/** A world whose site was alive and has just fallen silent, with a monitor that watched long enough. */
async function silentWorld(): Promise<World> {
  const world = await createWorld();
  await world.tick();
  await world.renew();
  await world.heartbeat();
  return world;
}

/** What must be the same however often somebody died. */
async function outcome(world: World) {
  const runs = await world.runs();
  const volumes = [];
  for (const id of VOLUMES) {
    const { value } = await world.documents.need(volumeKind, names.volume(parseVolume(id)));
    const { epoch, cut, applied } = currentGeneration(value);
    volumes.push({ id, epoch, cut, applied: applied.number });
  }
  const decisions = [];
  for await (const { name } of world.documents.list('decisions/')) decisions.push(name);
  const { term, phase, holder, run } = await world.group();
  return {
    runs: runs.map((found) => ({
      run: found.run,
      state: found.state,
      failure: found.failure,
      actor: found.actor,
      steps: found.steps.map(({ step }) => step),
      volumes: found.volumes,
      machines: found.machines,
    })),
    group: { term, phase, holder, run },
    volumes,
    decisions,
    created: world.cloud.created,
    existing: world.cloud.existing(),
  };
}

const LONG_MS = WINDOW_MS + 900_000;

suite('a failover whose processes die', () => {
  test('before and after every write ends as if none had', async () => {
    const whole = await silentWorld();
    whole.dieAt(0, 'before');
    await whole.live(LONG_MS);
    const expected = await outcome(whole);
    assert.partialDeepStrictEqual(expected.runs, [{ state: 'done', actor: { kind: 'function', name: 'monitor' } }]);
    assert.equal(expected.decisions.length, 1);
    assert.equal(new Set(expected.created).size, expected.created.length);

    // The ticks of the monitor after the run write, too: what matters ends with the run's last write.
    const writes = await writesUntilDone();
    assert.ok(writes > 40, `only ${writes} writes were counted`);
    for (let write = 1; write <= writes; write += 1) {
      for (const when of ['before', 'after'] as const) {
        const world = await silentWorld();
        world.dieAt(write, when);
        await world.live(LONG_MS);
        assert.deepEqual(await outcome(world), expected, `died ${when} write ${write}`);
      }
    }
  });
});

async function writesUntilDone(): Promise<number> {
  const world = await silentWorld();
  world.dieAt(0, 'before');
  while ((await world.runs())[0]?.state !== 'done') await world.live(1000);
  return world.writes();
}
