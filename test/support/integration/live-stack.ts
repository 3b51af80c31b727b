/**
 * A real local stack for tests that kill its functions host: the project's own app over Azurite and the local ARM, in a
 * folder of its own.
 *
 * Invariants: only the host is ever killed, never Azurite, which saves late; machines are simulated, since no test here
 * looks into one; `close` ends everything and leaves nothing on disk.
 */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { readSettings } from '../../../src/app/settings.ts';
import { openStorage } from '../../../src/app/storage.ts';
import type { Storage } from '../../../src/app/storage.ts';
import { CONTAINERS } from '../../../src/kernel/names.ts';
import { downStack, startPart, statusOfStack, stopPart, upStack } from '../../../src/local/stack/stack.ts';
import type { StackFacts } from '../../../src/local/stack/stack.ts';

const PROJECT = join(import.meta.dirname, '../../..');

const settingsFileSchema = z.looseObject({ Values: z.record(z.string(), z.string()) });

export class LiveStack {
  readonly folder: string;
  readonly facts: StackFacts;
  readonly storage: Storage;
  #pid: number;
  /** Where the present host's words begin in the log. */
  #logFrom: number;

  private constructor(of: { folder: string; facts: StackFacts; storage: Storage; pid: number }) {
    this.folder = of.folder;
    this.facts = of.facts;
    this.storage = of.storage;
    this.#pid = of.pid;
    this.#logFrom = 0;
  }

  /** A stack that is up. `settings` stand in place of local.settings.example.json's. */
  static async up(settings: Readonly<Record<string, string>>): Promise<LiveStack> {
    const folder = await mkdtemp(join(tmpdir(), 'leeward-kill-'));
    const stateDir = join(folder, 'stack');
    try {
      const facts = await withoutTools(() => upStack({ stateDir, appDir: PROJECT, settings: () => settings }));
      assert.equal(facts.machinery.kind, 'simulated');
      const { Values } = settingsFileSchema.parse(JSON.parse(await readFile(facts.settingsFile, 'utf8')));
      const storage = openStorage(readSettings(Values));
      return new LiveStack({ folder, facts, storage, pid: await hostPid(stateDir) });
    } catch (error) {
      await downStack(stateDir);
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Kills the host at this very moment; it is gone for sure once this resolves. */
  async killHost(): Promise<void> {
    process.kill(this.#pid, 'SIGKILL');
    await stopPart(this.facts.stateDir, 'host', 'SIGKILL');
  }

  /** Starts the host again, as it was started before; it is ready once this resolves. */
  async startHost(): Promise<void> {
    this.#logFrom = statSync(this.#log).size;
    await startPart(this.facts.stateDir, 'host');
    this.#pid = await hostPid(this.facts.stateDir);
  }

  /** Holds the host's process still, so that a test can look at where it is. */
  pauseHost(): void {
    process.kill(this.#pid, 'SIGSTOP');
  }

  resumeHost(): void {
    process.kill(this.#pid, 'SIGCONT');
  }

  /** What all hosts of this stack have said. */
  hostLog(from = 0): string {
    return readFileSync(this.#log).subarray(from).toString('utf8');
  }

  /** Names of the functions that the present host has begun and not ended: what a kill now cuts off. */
  inWork(): string[] {
    const begun = new Map<string, string>();
    for (const line of this.hostLog(this.#logFrom).split('\n')) {
      const [, name = '', id = '', what] =
        /^\S+ \w+ \[(\S+) ([0-9a-f-]{36})\] (executing|succeeded|failed) /.exec(line) ?? [];
      if (what === 'executing') begun.set(id, name);
      else begun.delete(id);
    }
    return [...begun.values()];
  }

  /** Why anything was set aside: nothing that a sound site sends may be. */
  async setAside(): Promise<string[]> {
    const aside: string[] = [];
    const place = { account: this.storage.account, container: CONTAINERS.aside };
    for await (const { name } of this.storage.entries.list(place, '')) {
      if (!name.endsWith('.reason.json')) continue;
      const reason = await this.storage.entries.read({ ...place, blob: name }, 64 * 1024);
      aside.push(Buffer.from(reason ?? []).toString('utf8'));
    }
    return aside;
  }

  async close(): Promise<void> {
    await downStack(this.facts.stateDir);
    await rm(this.folder, { recursive: true, force: true });
  }

  get #log(): string {
    return join(this.facts.logFolder, 'host.log');
  }
}

/** Asks until the answer is not undefined. Fails with `what` after `limitMs`. */
export async function until<T>(
  what: () => string,
  limitMs: number,
  ask: () => Promise<T | undefined>,
  everyMs = 50,
): Promise<T> {
  const begunMs = performance.now();
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    assert.ok(performance.now() - begunMs < limitMs, `not within ${limitMs} ms: ${what()}`);
    await sleep(everyMs);
  }
}

async function hostPid(stateDir: string): Promise<number> {
  const pid = (await statusOfStack(stateDir))?.parts.find(({ part }) => part === 'host')?.pid;
  assert.ok(pid !== undefined, 'the host runs');
  return pid;
}

/** Where no program is found, machines are simulated: nine booting machines would show nothing more and take minutes. */
async function withoutTools<T>(work: () => Promise<T>): Promise<T> {
  const before = process.env['PATH'];
  process.env['PATH'] = '';
  try {
    return await work();
  } finally {
    process.env['PATH'] = before;
  }
}
