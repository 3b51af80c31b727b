/** Queues in memory, in order and exactly once: a test that wants worse wraps them. */
import type { Clock } from '../../../src/kernel/clock.ts';
import { LeewardError } from '../../../src/kernel/errors.ts';
import type { Queues, TakenMessage } from '../../../src/ports/queue.ts';

interface Message {
  readonly body: string;
  visibleMs: number;
  /** How often it was taken: only the newest taker may delete it. */
  receipt: number;
}

/** Source: Azure Queue storage: a message holds at most 64 KiB, and one call takes at most 32. */
const MESSAGE_BYTES_MAX = 64 * 1024;
const TAKEN_MAX = 32;

export class MemoryQueues implements Queues {
  readonly #clock: Clock;
  readonly #queues = new Map<string, Set<Message>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async send(queue: string, text: string, options: { delayMs?: number } = {}): Promise<void> {
    const body = Buffer.from(text, 'utf8').toString('base64');
    if (body.length > MESSAGE_BYTES_MAX) {
      throw new LeewardError('MESSAGE_INVALID', `a message of ${body.length} bytes does not fit the queue "${queue}"`);
    }
    this.put(queue, body, options);
  }

  /** Puts a body as it is, such as one that is not base64. */
  put(queue: string, body: string, options: { delayMs?: number } = {}): void {
    const messages = this.#queues.get(queue) ?? new Set();
    this.#queues.set(queue, messages);
    messages.add({ body, visibleMs: this.#clock.wallMs() + (options.delayMs ?? 0), receipt: 0 });
  }

  async take(queue: string, options: { countMax: number; hiddenMs: number }): Promise<readonly TakenMessage[]> {
    const messages = this.#queues.get(queue) ?? new Set<Message>();
    if (options.countMax > TAKEN_MAX) throw new Error(`${options.countMax} messages asked for at once`);
    const visible = [...messages].filter((message) => message.visibleMs <= this.#clock.wallMs());
    return visible.slice(0, options.countMax).map((message) => {
      message.visibleMs = this.#clock.wallMs() + options.hiddenMs;
      const receipt = (message.receipt += 1);
      return {
        body: message.body,
        done: async () => {
          if (message.receipt !== receipt || !messages.delete(message)) {
            throw new LeewardError('NOT_FOUND', `the message of "${queue}" is somebody else's by now`);
          }
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
