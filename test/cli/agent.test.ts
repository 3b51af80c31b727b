/** `leeward agent` as a process: it works by its configuration until it is told to end, and an end of any kind costs nothing. */
import assert from 'node:assert/strict';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { z } from 'zod';
import { Leeward } from '../support/command.ts';

const [OFTEN, SELDOM] = ['acme/paris/shop/often', 'acme/paris/shop/seldom'];
const logLineSchema = z.looseObject({ at: z.iso.datetime(), line: z.string().min(1) });
const volumes = z.array(z.looseObject({ volume: z.string(), tip: z.number() }));

suite('the agent', () => {
  let folder = '';
  let leeward: Leeward;
  const config = (): string => join(folder, '.leeward', 'sites', 'acme', 'paris', 'leeward.yaml');

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leeward-agent-'));
    leeward = new Leeward(folder);
    assert.equal((await leeward.run('local', 'up')).code, 0);
    for (const volume of [OFTEN, SELDOM]) {
      const image = `${volume.split('/').at(-1) ?? ''}.img`;
      await writeFile(join(folder, image), Buffer.alloc(1024 * 1024, 'a'));
      assert.equal((await leeward.run('volume', 'add', volume, '--source', image)).code, 0);
    }
  });
  after(async () => {
    await leeward.run('local', 'down', '--wipe');
    await rm(folder, { recursive: true, force: true });
  });

  /** Changes a page of a volume. */
  async function change(volume: string, fill: string): Promise<void> {
    const file = await open(join(folder, `${volume.split('/').at(-1) ?? ''}.img`), 'r+');
    await file.write(Buffer.alloc(4096, fill), 0, 4096, 8192);
    await file.close();
  }

  async function tips(): Promise<Record<string, number>> {
    const listed = volumes.parse(JSON.parse((await leeward.run('--json', 'volume', 'list')).stdout));
    return Object.fromEntries(listed.map(({ volume, tip }) => [volume, tip]));
  }

  test('refuses a wrong configuration with the line of each fault, before it does anything', async () => {
    await writeFile(config(), 'intervalMs: 5\nvolumes:\n  shop/oftn: {}\n');
    const { code, stderr } = await leeward.run('agent', '--check');
    assert.equal(code, 2);
    assert.match(stderr, /leeward\.yaml:1: intervalMs: /);
    await writeFile(config(), 'volumes:\n  shop/oftn: {}\n');
    assert.match((await leeward.run('agent')).stderr, /leeward\.yaml:2: volumes\.shop\/oftn: is no volume of the site/);
    assert.equal((await leeward.run('agent', '--config', 'none.yaml')).code, 2);
  });

  test('looks at each volume at its own interval, and SIGTERM ends it in order', async () => {
    await writeFile(config(), 'intervalMs: 3600000\nvolumes:\n  shop/often:\n    intervalMs: 1000\n');
    assert.equal((await leeward.run('agent', '--check')).code, 0);
    const agent = leeward.start('agent');
    await agent.said(new RegExp(`${OFTEN}: deltas 1 acknowledged`));
    await agent.said(new RegExp(`${SELDOM}: deltas 1 acknowledged`));
    await change(OFTEN, 'b');
    await change(SELDOM, 'b');
    await agent.said(new RegExp(`${OFTEN}: deltas 2 acknowledged`));
    agent.signal('SIGTERM');
    const { code, stderr } = await agent.ended;
    assert.equal(code, 0);
    assert.match(stderr, /acme\/paris: stopped/);
    assert.deepEqual(await tips(), { [OFTEN]: 2, [SELDOM]: 1 });
  });

  test('an agent that is killed costs nothing: the next one goes on where it was', async () => {
    const killed = leeward.start('agent');
    await killed.said(/at work on 2 volume/);
    await change(OFTEN, 'c');
    killed.signal('SIGKILL');
    await killed.ended;
    const next = leeward.start('agent');
    await next.said(new RegExp(`${SELDOM}: (deltas 2 acknowledged|no change)`));
    await next.said(new RegExp(`${OFTEN}: (deltas 3 acknowledged|no change)`));
    next.signal('SIGTERM');
    assert.equal((await next.ended).code, 0);
    assert.deepEqual(await tips(), { [OFTEN]: 3, [SELDOM]: 2 });
  });

  test('makes a volume stand still while it reads it, and says what it did in JSON if that is asked for', async () => {
    const log = join(folder, 'quiesce.log');
    const quiesce = { freeze: `echo freeze >>${log}`, thaw: `echo thaw >>${log}` };
    const said = {
      'shop/often': { intervalMs: 1000, quiesce },
      'shop/seldom': { quiesce: { ...quiesce, freeze: 'false' } },
    };
    // What is JSON is YAML, too.
    await writeFile(config(), JSON.stringify({ intervalMs: 3_600_000, volumes: said }));
    const agent = leeward.start('agent', '--log', 'json');
    await change(OFTEN, 'd');
    await agent.said(new RegExp(`"volume":"${OFTEN}","acknowledged":\\[4\\]`));
    await agent.said(new RegExp(`"error":"[^"]*${SELDOM}: it could not be made to stand still`));
    agent.signal('SIGTERM');
    const { stderr } = await agent.ended;
    for (const line of stderr.trim().split('\n')) logLineSchema.parse(JSON.parse(line));
    assert.match(await readFile(log, 'utf8'), /^(?:thaw\n)?freeze\n/);
    const points = (await leeward.run('--json', 'volume', 'list')).stdout;
    assert.match(points, /"tip": 4/);
  });
});
