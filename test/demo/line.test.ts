/** The line that the demo cuts: what goes by it, and that nothing does once it is cut. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Line } from '../../src/demo/line.ts';

const REQUEST = join(import.meta.dirname, '../../src/system/request.ts');

describe("the site's line to the cloud", () => {
  let cloud: Server;
  let line: Line;
  let asked = 0;
  let slow = false;
  let url = '';
  before(async () => {
    cloud = createServer((request, response) => {
      asked += 1;
      if (!slow) request.pipe(response);
    }).listen(0, '127.0.0.1');
    await once(cloud, 'listening');
    url = `http://127.0.0.1:${addressOf(cloud)}/heartbeat?signed=1`;
    line = await Line.open();
  });
  after(async () => {
    await line.close();
    cloud.closeAllConnections();
    cloud.close();
  });

  /** What the site's own way of asking gives, in a process that is told of the line as agent and guard are. */
  async function ask(body: string): Promise<string> {
    const script = `const { request } = await import(${JSON.stringify(REQUEST)});
      const plain = { method: 'POST', url: ${JSON.stringify(url)}, body: ${JSON.stringify(body)}, timeoutMs: 5000, bodyBytesMax: 1000, what: 'asking' };
      console.log(await request(plain).then(({ status, body }) => status + ' ' + body, (error) => error.code));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, ...line.environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    await once(child, 'close');
    return said.trim();
  }

  test('carries requests and answers, until it is cut, and again once it is healed', async () => {
    assert.equal(await ask('one'), '200 one');
    line.cut();
    const before = asked;
    assert.equal(await ask('two'), 'UNAVAILABLE');
    assert.equal(asked, before);
    line.heal();
    assert.equal(await ask('three'), '200 three');
  });

  test('what is under way when it is cut gets no answer', async () => {
    slow = true;
    const arrived = once(cloud, 'request');
    const answer = ask('four');
    await arrived;
    line.cut();
    assert.equal(await answer, 'UNAVAILABLE');
  });
});

function addressOf(server: Server): number {
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  return address.port;
}
