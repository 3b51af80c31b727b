/**
 * A real machine hangs under a real agent: its monitor finds it, the site decides without the cloud, and the machine is reset in
 * place by its control. The guard is played behind a real socket, since what runs in the guest is not started by it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { machineRecordSchema } from '../../src/site/agent/records.ts';
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

/** How long a check may take. */
const CHECK_MS = 500;

/** Stands before the guest, so that it is known which of the monitor's checks had their answer. */
class Between {
  /** How many had. */
  answered = 0;
  readonly #server = createServer((_, response) => {
    fetch(this.#url, { signal: AbortSignal.timeout(CHECK_MS) }).then(
      ({ status }) => {
        this.answered += status === 200 ? 1 : 0;
        response.writeHead(status).end();
      },
      () => response.destroy(),
    );
  });
  #url = '';

  /** Where `url` is answered from here on. */
  async standBefore(url: string): Promise<string> {
    this.#url = url;
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    assert(address !== null && typeof address === 'object');
    return `http://127.0.0.1:${address.port}/`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

describe('a machine that hangs', needsBooting(machinery), () => {
  let folder: string;
  let site: string;
  let hanging: HangingGuest;
  let desk: { close(): Promise<void> };
  let agent: Running | undefined;
  let leeward: Leeward;
  const between = new Between();
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
    const url = await between.standBefore(hanging.url);
    const monitor = { name: 'answers', kind: 'http', url, intervalMs: 500, timeoutMs: CHECK_MS, failures: 3 };
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
    between.close();
    await desk.close();
    await hanging.guest.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('is reset in place by the agent, once, and what runs in it is well again', async () => {
    const first = await hanging.boot();
    assert.ok(first !== undefined, hanging.guest.console());
    agent = leeward.start('agent');
    await agent.said(/at work on 1 volume/);
    await until(
      // A check begins only when the one before is over: two answers, and the first was taken in.
      () => 'its monitor has seen it well',
      LIMIT_MS,
      async () => (between.answered >= 2 ? true : undefined),
    );
    await hanging.hang();
    await agent.said(/machine guest: restart-machine: .*web/);
    const second = await hanging.boot();
    assert.ok(second !== undefined && second !== first, 'it has booted anew');
    await until(
      () => 'the step has helped, and the machine is well by its monitors',
      LIMIT_MS,
      async () => {
        const { events, isWell } = machineRecordSchema.parse(
          JSON.parse(await readFile(join(site, 'watched', 'machine.guest.json'), 'utf8')),
        );
        const [attempt] = events;
        return attempt?.what === 'attempt' && attempt.outcome === 'succeeded' && isWell ? events : undefined;
      },
    );
    const decided = await leeward.json(['decisions', SITE]);
    assert.partialDeepStrictEqual(decided, [{ step: 'restart-machine' }]);
    assert.equal(z.array(z.unknown()).parse(decided).length, 1);
    assert.deepEqual(played.restarts, [], 'no application was restarted instead');
  });
});
