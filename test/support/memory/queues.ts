/** Queues in memory, in order and exactly once: a test that wants worse wraps them. */
import type { Clock } from '../../../src/kernel/clock.ts';
import type { Queues, TakenMessage } from '../../../src/ports/queue.ts';

interface Message {
  readonly body: string;
  visibleMs: number;
}

export class MemoryQueues implements Queues {
  readonly #clock: Clock;
  readonly #queues = new Map<string, Set<Message>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async send(queue: string, text: string, options: { delayMs?: number } = {}): Promise<void> {
    this.put(queue, Buffer.from(text, 'utf8').toString('base64'), options);
  }

  /** Puts a body as it is, such as one that is not base64. */
  put(queue: string, body: string, options: { delayMs?: number } = {}): void {
    const messages = this.#queues.get(queue) ?? new Set();
    this.#queues.set(queue, messages);
    messages.add({ body, visibleMs: this.#clock.wallMs() + (options.delayMs ?? 0) });
  }

  async take(queue: string, options: { countMax: number; hiddenMs: number }): Promise<readonly TakenMessage[]> {
    const messages = this.#queues.get(queue) ?? new Set<Message>();
    const visible = [...messages].filter((message) => message.visibleMs <= this.#clock.wallMs());
    return visible.slice(0, options.countMax).map((message) => {
      message.visibleMs = this.#clock.wallMs() + options.hiddenMs;
      return {
        body: message.body,
        done: async () => {
          messages.delete(message);
        },
      };
    });
  }

  /** The texts in a queue, visible or not, oldest first. */
  texts(queue: string): string[] {
    return [...(this.#queues.get(queue) ?? [])].map(({ body }) => Buffer.from(body, 'base64').toString('utf8'));
  }

  /** When the next message of a queue can be seen; undefined for an empty queue. */
  nextVisibleMs(queue: string): number | undefined {
    const times = [...(this.#queues.get(queue) ?? [])].map(({ visibleMs }) => visibleMs);
    return times.length > 0 ? Math.min(...times) : undefined;
  }
}
