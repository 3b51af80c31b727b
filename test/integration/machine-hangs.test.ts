/**
 * A real machine hangs under a real agent: its monitor finds it, the site decides without the cloud, and the machine is reset in
 * place by its control. The guard is played behind a real socket, since what runs in the guest is not started by it.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { newSiteAccess, serializeSiteAccess, withVolume } from '../../src/site/send/access.ts';
import { makeFolder } from '../../src/system/durable-file.ts';
import { listenForOrders } from '../../src/system/guard/guard-socket.ts';
import { writePrivateFile } from '../../src/system/private-file.ts';
import { machineryHere, needsBooting } from '../local/machines/machinery.ts';
import { Leeward } from '../support/command.ts';
import type { Running } from '../support/command.ts';
import { HangingGuest } from '../support/guest/hanging.ts';
import { until } from '../support/integration/live-stack.ts';
import { MemoryDesk } from '../support/memory/guard-desk.ts';

const machinery = await machineryHere();
const SITE = 'acme/berlin';
const NODE = 'north';
/** Longer than anything here takes, on the slowest machine. */
const LIMIT_MS = 120_000;

const eventsSchema = z.looseObject({
  events: z.array(z.looseObject({ what: z.string(), outcome: z.string().optional() })),
});

describe('a machine that hangs', needsBooting(machinery), () => {
  let folder: string;
  let site: string;
  let hanging: HangingGuest;
  let desk: { close(): Promise<void> };
  let agent: Running | undefined;
  let leeward: Leeward;
  const played = new MemoryDesk({ group: `${SITE}/erp`, node: NODE }, [{ name: 'web', dependsOn: [] }]);

  before(async () => {
    assert.equal(machinery.kind, 'qemu');
    folder = await mkdtemp(join(tmpdir(), 'leeward-hangs-'));
    hanging = await HangingGuest.start(machinery, folder);
    leeward = new Leeward(folder);
    site = join(folder, '.leeward', 'sites', SITE);
    await makeFolder(site);
    const key = { signer: SITE, name: 'k1', secret: new Uint8Array(32) };
    // No cloud is there.
    const access = newSiteAccess({ key, functionsUrl: 'http://127.0.0.1:1' });
    const image = join(folder, 'data.img');
    await writeFile(image, Buffer.alloc(4096));
    await writePrivateFile(
      join(site, 'access.json'),
      serializeSiteAccess(withVolume(access, `${SITE}/erp/data`, image)),
    );
    const socket = join(folder, 'guard.sock');
    desk = await listenForOrders(socket, played);
    const monitor = { name: 'answers', kind: 'http', url: hanging.url, intervalMs: 500, timeoutMs: 500, failures: 3 };
    const web = {
      ...{ node: NODE, machine: 'guest', run: { command: 'true' }, monitors: [monitor] },
      restarts: { attempts: 0, startMs: LIMIT_MS },
    };
    const steps = { 'restart-application': { countMax: 0 }, 'restart-machine': { countMax: 1 } };
    const config = {
      groups: { erp: { applications: { web } } },
      machines: { guest: { node: NODE, control: { qmp: hanging.guest.controlPath }, steps } },
      guards: { [NODE]: { socket } },
    };
    await writeFile(join(site, 'leeward.yaml'), JSON.stringify(config));
  });

  after(async () => {
    agent?.signal('SIGTERM');
    await agent?.ended;
    await desk.close();
    await hanging.guest.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('is reset in place by the agent, once, and what runs in it is well again', async () => {
    const first = await hanging.boot();
    assert.ok(first !== undefined, hanging.guest.console());
    agent = leeward.start('agent');
    await agent.said(/at work on 1 volume/);
    const isWell = async (): Promise<true | undefined> => {
      const text = await readFile(join(site, 'watched', 'application.erp.web.json'), 'utf8').catch(() => '');
      return text.includes('"state":"running"') ? true : undefined;
    };
    await until(() => 'its monitor has seen it', LIMIT_MS, isWell);
    await hanging.hang();
    await agent.said(/machine guest: restart-machine: .*web/);
    const second = await hanging.boot();
    assert.ok(second !== undefined && second !== first, 'it has booted anew');
    await until(
      () => 'the step has helped',
      LIMIT_MS,
      async () => {
        const { events } = eventsSchema.parse(
          JSON.parse(await readFile(join(site, 'watched', 'machine.guest.json'), 'utf8')),
        );
        return events[0]?.outcome === 'succeeded' ? events : undefined;
      },
    );
    await until(() => 'it is well', LIMIT_MS, isWell);
    const decided = await leeward.json(['decisions', SITE]);
    assert.partialDeepStrictEqual(decided, [{ step: 'restart-machine' }]);
    assert.equal(z.array(z.unknown()).parse(decided).length, 1);
    assert.deepEqual(played.restarts, [], 'no application was restarted instead');
  });
});
