/**
 * Queues as the functions host meets them: any order, hidden while somebody works, back after a failure, to poison after
 * five attempts, whether they failed or their process died.
 */
import { poisonQueue } from '../../src/kernel/names.ts';
import type { Queues, TakenMessage } from '../../src/ports/queue.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import type { SeededRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';

/** Source: Azure Functions, host.json, queues: maxDequeueCount. */
const ATTEMPTS_MAX = 5;

interface Message {
  readonly text: string;
  visibleMs: number;
  attempts: number;
  receipt: number;
}

/** A message that the host gives to a function. */
export interface InWork {
  readonly text: string;
  /** How often it was given to a function, this time included. */
  readonly attempts: number;
  done(): void;
  failed(delayMs: number): void;
}

export class SimulatedQueues implements Queues {
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #queues = new Map<string, Set<Message>>();
  readonly #watchers = new Set<() => void>();

  constructor(scheduler: Scheduler, random: SeededRandom) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  async send(queue: string, text: string, options: { delayMs?: number } = {}): Promise<void> {
    this.#put(queue, text, options.delayMs ?? 0);
  }

  async take(queue: string, options: { countMax: number; hiddenMs: number }): Promise<readonly TakenMessage[]> {
    const taken: TakenMessage[] = [];
    for (let next = this.#hide(queue, options.hiddenMs); next; next = this.#hide(queue, options.hiddenMs)) {
      const { message, receipt } = next;
      const done = async (): Promise<void> => {
        if (message.receipt !== receipt || !this.#of(queue).delete(message)) {
          throw new LeewardError('NOT_FOUND', 'somebody else has the message');
        }
      };
      taken.push({ body: Buffer.from(message.text).toString('base64'), done });
      if (taken.length === options.countMax) break;
    }
    return taken;
  }

  /** Comes back when a message can be seen somewhere: a host that polled an empty queue would only make time pass slowly. */
  async change(): Promise<void> {
    return new Promise((resolve) => void this.#watchers.add(resolve));
  }

  /** What the host gives to a function next; undefined when nothing can be seen. */
  work(queue: string, hiddenMs: number): InWork | undefined {
    const next = this.#hide(queue, hiddenMs);
    if (!next) return undefined;
    const { message, receipt } = next;
    if (message.attempts > ATTEMPTS_MAX) {
      this.#poison(queue, message);
      return this.work(queue, hiddenMs);
    }
    const mine = (): boolean => message.receipt === receipt;
    return {
      text: message.text,
      attempts: message.attempts,
      done: () => {
        if (mine()) this.#of(queue).delete(message);
      },
      failed: (delayMs) => {
        if (!mine()) return;
        this.#showAfter(message, delayMs);
        if (message.attempts === ATTEMPTS_MAX) this.#poison(queue, message);
      },
    };
  }

  /** How many messages there are, seen or hidden. */
  count(queue: string): number {
    return this.#of(queue).size + this.#of(poisonQueue(queue)).size;
  }

  /** The same for all queues. */
  total(): number {
    return [...this.#queues.values()].reduce((sum, messages) => sum + messages.size, 0);
  }

  #put(queue: string, text: string, delayMs: number): void {
    const message = { text, visibleMs: 0, attempts: 0, receipt: 0 };
    this.#of(queue).add(message);
    this.#showAfter(message, delayMs);
  }

  #poison(queue: string, message: Message): void {
    this.#of(queue).delete(message);
    this.#put(poisonQueue(queue), message.text, 0);
  }

  #showAfter(message: Message, delayMs: number): void {
    message.visibleMs = this.#scheduler.wallMs() + delayMs;
    this.#scheduler.after(delayMs, () => {
      for (const resolve of this.#watchers) resolve();
      this.#watchers.clear();
    });
  }

  #hide(queue: string, hiddenMs: number): { message: Message; receipt: number } | undefined {
    const nowMs = this.#scheduler.wallMs();
    const visible = [...this.#of(queue)].filter((message) => message.visibleMs <= nowMs);
    if (visible.length === 0) return undefined;
    const message = this.#random.pick(visible);
    this.#showAfter(message, hiddenMs);
    message.attempts += 1;
    message.receipt += 1;
    return { message, receipt: message.receipt };
  }

  #of(queue: string): Set<Message> {
    const messages = this.#queues.get(queue) ?? new Set();
    this.#queues.set(queue, messages);
    return messages;
  }
}
