/**
 * The demo's side of its site's process: starts it, tells it what to do, hears what happens there.
 *
 * Invariant: after `end` nothing of the site runs and nothing of it is mounted, however it went.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { LeewardError } from '../kernel/errors.ts';
import type { Clock } from '../kernel/clock.ts';
import { endMount } from './application-volume.ts';
import { SITE_ANSWERS, fromSiteSchema } from './site-messages.ts';
import type { OrderMessage, SiteAnswer, SiteConfig, SiteEvent, SiteOrder } from './site-messages.ts';

const END_MS = 10_000;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class Site {
  readonly #child: ChildProcess;
  readonly #config: SiteConfig;
  readonly #log: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<unknown>;
  #orders = 0;

  private constructor(child: ChildProcess, of: { config: SiteConfig; log: string; hear: (event: SiteEvent) => void }) {
    this.#child = child;
    this.#config = of.config;
    this.#log = of.log;
    this.#exited = once(child, 'exit');
    child.on('message', (message) => {
      this.#receive(message, of.hear);
    });
    child.once('exit', () => {
      this.#failAll('ended');
    });
    child.on('error', () => {
      this.#failAll('could not be reached');
    });
  }

  /** Starts the process; what it prints goes to `log`. */
  static async start(config: SiteConfig, log: string, hear: (event: SiteEvent) => void): Promise<Site> {
    const output = await open(log, 'a', 0o600);
    try {
      const child = fork(join(import.meta.dirname, 'site-process.ts'), [JSON.stringify(config)], {
        stdio: ['ignore', output.fd, output.fd, 'ipc'],
      });
      return new Site(child, { config, log, hear });
    } finally {
      await output.close();
    }
  }

  /** Errors: the site's own; PLATFORM_FAILED when its process is gone; the signal's reason when it is aborted. */
  async tell<Order extends SiteOrder>(order: Order, signal?: AbortSignal): Promise<SiteAnswer<Order>> {
    signal?.throwIfAborted();
    const id = (this.#orders += 1);
    const answer = new Promise<unknown>((resolve, reject) => {
      if (!this.#child.connected) reject(this.#gone('is not running'));
      this.#waiting.set(id, { resolve, reject });
    });
    const message: OrderMessage = { id, order };
    if (this.#child.connected) this.#child.send(message);
    const abort = (): void => {
      this.#waiting.get(id)?.reject(signal?.reason instanceof Error ? signal.reason : this.#gone('was left'));
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const schema: (typeof SITE_ANSWERS)[SiteOrder] = SITE_ANSWERS[order];
      // Checked by the order's own schema, which the compiler cannot follow through an index.
      return schema.parse(await answer) as SiteAnswer<Order>;
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#waiting.delete(id);
    }
  }

  /** Ends the site in order, or by force. Can be repeated. */
  async end(clock: Clock): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const timeOut = new AbortController();
      const inOrder = this.tell('end').then(
        () => true,
        () => false,
      );
      await Promise.race([inOrder, clock.sleep(END_MS, timeOut.signal).catch(() => undefined)]);
      timeOut.abort();
      // The application notices that its site is gone, and ends by itself.
      this.#child.kill('SIGKILL');
      await this.#exited;
    }
    if (this.#config.application) await endMount(this.#config.application);
  }

  #receive(message: unknown, hear: (event: SiteEvent) => void): void {
    const said = fromSiteSchema.parse(message);
    if ('event' in said) {
      hear(said);
      return;
    }
    const waiting = this.#waiting.get(said.id);
    if ('failure' in said) waiting?.reject(failureOf(said.failure));
    else waiting?.resolve(said.result);
  }

  #failAll(what: string): void {
    for (const waiting of this.#waiting.values()) waiting.reject(this.#gone(what));
  }

  #gone(what: string): LeewardError {
    return new LeewardError('PLATFORM_FAILED', `the site's process ${what}; its log: ${this.#log}`);
  }
}

function failureOf(failure: { code: string; message: string }): LeewardError {
  const code = failure.code === 'UNAVAILABLE' || failure.code === 'REFUSED' ? failure.code : 'PLATFORM_FAILED';
  return new LeewardError(code, `at the site: ${failure.message}`);
}
