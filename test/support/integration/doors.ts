/** What tests of bad input need of a real stack: its doors, its words, and everything that a refusal must not change. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { CONTAINERS, QUEUES, asideBlob, documents as names, poisonQueue } from '../../../src/kernel/names.ts';
import { sha256Hex } from '../../../src/kernel/hash.ts';
import { readFunctionKeys, readStorageConnection } from '../../../src/local/stack/stack.ts';
import { assertNoCredential } from '../credentials.ts';
import { KEY_SECRET } from '../site-fixture.ts';
import { until } from './live-stack.ts';
import type { LiveStack } from './live-stack.ts';

/** Long enough on a loaded machine; only a failing test waits for it. */
const PATIENCE_MS = 30_000;

/** Timers that do not come by themselves: who needs one calls it by hand. */
const NEVER = '0 0 0 1 1 *';

/** Settings under which nothing happens but what a test does, and keys are those of the site fixture. */
export const QUIET = {
  LEEWARD_KEY_SECRET: KEY_SECRET.toString('base64'),
  LEEWARD_MONITOR_SCHEDULE: NEVER,
  LEEWARD_NOTIFY_SCHEDULE: NEVER,
  LEEWARD_SWEEP_SCHEDULE: NEVER,
  LEEWARD_UPKEEP_SCHEDULE: NEVER,
} as const;

/** One line that a function, or the host about it, wrote into the host's log. */
export interface Said {
  readonly level: string;
  readonly text: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export class Doors {
  readonly stack: LiveStack;
  readonly blobs: BlobServiceClient;
  readonly #queues: QueueServiceClient;
  readonly #secrets: readonly string[];

  private constructor(stack: LiveStack, connection: string, masterKey: string) {
    this.stack = stack;
    this.blobs = BlobServiceClient.fromConnectionString(connection);
    this.#queues = QueueServiceClient.fromConnectionString(connection);
    const account = /AccountKey=([^;]+)/.exec(connection)?.[1] ?? '';
    this.#secrets = [account, KEY_SECRET.toString('base64'), masterKey];
  }

  static async open(stack: LiveStack): Promise<Doors> {
    const { master } = await readFunctionKeys(stack.facts);
    return new Doors(stack, await readStorageConnection(stack.facts), master);
  }

  /**
   * What the portal's Test/Run does with a function that is not HTTP's: calls it with `text`, or with nothing at all.
   * Resolves with what was said about that call until it ended, the host's own verdict last.
   */
  async callByHand(name: string, text?: string): Promise<readonly Said[]> {
    const from = this.#logBytes();
    const { master } = await readFunctionKeys(this.stack.facts);
    const answer = await fetch(`${this.stack.facts.functionsUrl}/admin/functions/${name}`, {
      method: 'POST',
      headers: { 'x-functions-key': master, 'content-type': 'application/json' },
      body: JSON.stringify(text === undefined ? {} : { input: text }),
    });
    assert.equal(answer.status, 202);
    return until(
      () => `${name} called by hand`,
      PATIENCE_MS,
      async () => {
        const log = this.stack.hostLog(from);
        const id = new RegExp(`\\[${name} ([0-9a-f-]{36})\\] executing \\(by hand\\)`).exec(log)?.[1];
        const said = linesOf(log, `[${name} ${id ?? ''}]`);
        return id !== undefined && /^(succeeded|failed) after/.test(said.at(-1)?.text ?? '') ? said : undefined;
      },
    );
  }

  /** Waits until the host's log has a line that fits, after what `from` gave. */
  async hears(form: RegExp, from: number): Promise<void> {
    await until(
      () => `${String(form)} in ${this.stack.hostLog(from)}`,
      PATIENCE_MS,
      async () => (form.test(this.stack.hostLog(from)) ? true : undefined),
    );
  }

  /** Where the log ends now. */
  logEnd(): number {
    return this.#logBytes();
  }

  /** Puts a text into a queue, as base64; `raw` as it is. */
  async put(queue: string, text: string, raw = false): Promise<void> {
    await this.#queues.getQueueClient(queue).sendMessage(raw ? text : Buffer.from(text).toString('base64'));
  }

  /** How many messages are in each queue and poison queue, in work and waiting ones too. */
  async queueLengths(): Promise<Record<string, number>> {
    const lengths: Record<string, number> = {};
    for (const queue of Object.values(QUEUES).flatMap((name) => [name, poisonQueue(name)])) {
      const client = this.#queues.getQueueClient(queue);
      if (!(await client.exists())) continue;
      lengths[queue] = (await client.getProperties()).approximateMessagesCount ?? 0;
    }
    return lengths;
  }

  /** Waits until nothing is left to do in any queue. */
  async queuesEmpty(): Promise<void> {
    await until(
      () => 'empty queues',
      PATIENCE_MS,
      async () => (Object.values(await this.queueLengths()).every((length) => length === 0) ? true : undefined),
    );
  }

  /** What was set aside of `text`, once it is there: body and reason. */
  async aside(site: string, text: string): Promise<{ body: string; reason: string }> {
    const container = this.blobs.getContainerClient(CONTAINERS.aside);
    const sha256 = sha256Hex(text);
    const read = async (kind: 'body' | 'reason.json'): Promise<string> =>
      (await container.getBlobClient(asideBlob({ site, sha256, kind })).downloadToBuffer()).toString('utf8');
    const blob = container.getBlobClient(asideBlob({ site, sha256, kind: 'reason.json' }));
    await until(
      () => `${blob.name} for ${text.slice(0, 200)}`,
      PATIENCE_MS,
      async () => ((await blob.exists()) ? true : undefined),
    );
    return { body: await read('body'), reason: await read('reason.json') };
  }

  /** The ETag of every state document, but those of Leeward's own canary. */
  async etags(): Promise<Record<string, string>> {
    const etags: Record<string, string> = {};
    for await (const { name, properties } of this.blobs.getContainerClient(CONTAINERS.state).listBlobsFlat()) {
      // What is refused at a door is counted: that is all that it may change.
      if (name !== names.refusals) etags[name] = properties.etag;
    }
    return etags;
  }

  async post(path: string, body: string | Uint8Array): Promise<Answer> {
    const answer = await fetch(`${this.stack.facts.functionsUrl}/api/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : Buffer.from(body),
    });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  }

  /** Holds every log of the stack against credentials: forms of them, its own secrets, and `more`. */
  async assertNoCredentialLogged(more: readonly string[]): Promise<void> {
    for (const part of ['host', 'arm', 'azurite', 'requests']) {
      const log = await readFile(join(this.stack.facts.logFolder, `${part}.log`), 'utf8');
      assertNoCredential(log, `${part}.log`, [...this.#secrets, ...more]);
    }
  }

  #logBytes(): number {
    return Buffer.byteLength(this.stack.hostLog());
  }
}

function linesOf(log: string, who: string): Said[] {
  return log
    .split('\n')
    .filter((line) => line.includes(who))
    .map((line) => {
      const [, level = '', text = ''] = /^\S+ (\w+) \[[^\]]*\] (.*)$/.exec(line) ?? [];
      return { level, text };
    });
}
