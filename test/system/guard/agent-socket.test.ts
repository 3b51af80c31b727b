/** The agent's socket: real sockets and files. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { LeewardError } from '../../../src/kernel/errors.ts';
import { CURRENT_VERSION } from '../../../src/kernel/versions.ts';
import type { GuardLink } from '../../../src/ports/guard-link.ts';
import type { LeaseAnswer, LeaseRequest } from '../../../src/protocol/lease.ts';
import { deriveKey, sign } from '../../../src/protocol/signed.ts';
import type { SignedMessage } from '../../../src/protocol/signed.ts';
import { isAnswerTo } from '../../../src/site/guard/sealed.ts';
import { CarriedLink, listenForGuards } from '../../../src/system/guard/agent-socket.ts';
import { request } from '../../../src/system/request.ts';

const GROUP = 'acme/berlin/erp';
const KEY = deriveKey(Buffer.alloc(32, 7), { signer: 'acme/berlin', name: 'guard-north' });
/** The same guard's, in another deployment. */
const OTHER_KEY = deriveKey(Buffer.alloc(32, 8), { signer: 'acme/berlin', name: 'guard-north' });
const QUESTION = { group: GROUP, nonce: 'a'.repeat(32), node: 'north' };
const MESSAGE = sign(KEY, 'lease', { groups: [QUESTION] } satisfies LeaseRequest);

/** As the cloud seals it; by another deployment's secret where `key` is that one's. */
function answerTo(questions: LeaseRequest['groups'], term: number, key = KEY): LeaseAnswer {
  const groups = questions.map(({ group, nonce }) => {
    const grant = { group, nonce, granted: true, term, leaseMs: 60_000 };
    return { ...grant, sealed: sign(key, 'grant', grant) };
  });
  return { version: CURRENT_VERSION, groups };
}

const isMine = (answer: LeaseAnswer, message: SignedMessage): boolean => isAnswerTo(answer, message, KEY);

/** The cloud, which says another term than the agent. */
const direct: GuardLink = {
  lease: async () => answerTo([QUESTION], 2),
  stopped: async () => ({ version: CURRENT_VERSION, noted: true }),
};

async function socketIn(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'leeward-socket-'));
  t.after(async () => rm(folder, { recursive: true }));
  return join(folder, 'agent.sock');
}

async function listening(
  t: TestContext,
  path: string,
  carry: (questions: LeaseRequest['groups']) => Promise<LeaseAnswer> = async (questions) => answerTo(questions, 1),
): Promise<{ close(): Promise<void> }> {
  const guards = await listenForGuards(path, { carry, tell: async () => [] });
  t.after(async () => guards.close().catch(() => undefined));
  return guards;
}

test('a question goes by the agent where it is there, and to the cloud by itself where it is not', async (t) => {
  const path = await socketIn(t);
  const link = new CarriedLink(path, direct, isMine);
  assert.equal((await link.lease(MESSAGE)).groups[0]?.term, 2, 'before the agent');
  const guards = await listening(t, path);
  assert.equal((await link.lease(MESSAGE)).groups[0]?.term, 1);
  await guards.close();
  assert.equal((await link.lease(MESSAGE)).groups[0]?.term, 2, 'after the agent');
});

test('an agent that refuses, hangs or answers nonsense keeps no guard from its lease', async (t) => {
  const path = await socketIn(t);
  const link = new CarriedLink(path, direct, isMine);
  const ways: ((questions: LeaseRequest['groups']) => Promise<LeaseAnswer>)[] = [
    async () => Promise.reject(new LeewardError('UNAVAILABLE', 'no answer')),
    async () => Promise.reject(new Error('a fault')),
    async () => new Promise(() => undefined),
    async () => ({ version: CURRENT_VERSION, groups: 'none' }) as unknown as LeaseAnswer,
    // In its form, and not what was asked.
    async () => answerTo([], 1),
    async () => answerTo([{ ...QUESTION, nonce: 'b'.repeat(32) }], 1),
    async (questions) => ({
      version: CURRENT_VERSION,
      groups: answerTo(questions, 1).groups.map((grant) => ({ ...grant, sealed: undefined })),
    }),
    async (questions) => answerTo(questions, 1, OTHER_KEY),
    async (questions) => {
      const [theirs] = answerTo([{ ...QUESTION, nonce: 'b'.repeat(32) }], 1).groups;
      const groups = answerTo(questions, 1).groups.map((grant) => ({ ...grant, sealed: theirs?.sealed }));
      return { version: CURRENT_VERSION, groups };
    },
  ];
  for (const carry of ways) {
    const guards = await listening(t, path, carry);
    assert.equal((await link.lease(MESSAGE)).groups[0]?.term, 2);
    await guards.close();
  }
});

test('what is no signed question is refused, and the next question answered', async (t) => {
  const path = await socketIn(t);
  await listening(t, path);
  const bad = ['', 'nonsense', '{}', JSON.stringify(sign(KEY, 'stopped', {})), 'x'.repeat(600_000)];
  for (const body of bad) {
    const said = await raw(
      path,
      `POST /lease HTTP/1.1\r\nHost: agent\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    assert.match(said, /^HTTP\/1\.1 400 /);
  }
  assert.equal((await new CarriedLink(path, direct, isMine).lease(MESSAGE)).groups[0]?.term, 1);
});

test('what is not JSON is said to be that', async (t) => {
  const path = await socketIn(t);
  await listening(t, path);
  const { status, body } = await request({
    ...{ method: 'POST', url: 'http://agent/lease', socketPath: path, headers: {}, body: '{"version":' },
    ...{ timeoutMs: 5000, bodyBytesMax: 1024, what: 'the agent' },
  });
  assert.deepEqual([status, JSON.parse(body)], [400, { error: 'the question is not JSON', code: 'MESSAGE_INVALID' }]);
});

test('only its owner reaches it, and what a killed agent left is no hindrance', async (t) => {
  const path = await socketIn(t);
  await writeFile(path, 'left over');
  await chmod(path, 0o666);
  await listening(t, path);
  assert.equal((await stat(path)).mode & 0o077, 0);
});

/** What the socket says to these bytes. */
async function raw(path: string, bytes: string): Promise<string> {
  const socket = connect(path);
  socket.on('error', () => undefined);
  socket.write(bytes);
  const { promise, resolve } = Promise.withResolvers<string>();
  let said = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (said.includes('\r\n')) resolve(said);
  });
  socket.on('close', () => {
    resolve(said);
  });
  const answered = await promise;
  socket.destroy();
  return answered;
}
