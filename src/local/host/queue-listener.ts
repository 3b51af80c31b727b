/**
 * Feeds one queue's messages to one function, as Azure's host does (azure-sdk-for-net, QueueListener and QueueProcessor).
 *
 * Invariants: at most batchSize + newBatchThreshold messages are in work at once; a message in work is invisible for ten
 * minutes at a time, renewed halfway, so that a killed host's message comes back only then; it is deleted only after
 * its function succeeded; a failed one is visible again after visibilityTimeout, and at its last try goes to the poison
 * queue with its body unchanged; `stop` waits for what is in work and fetches nothing more.
 */
import type { DequeuedMessageItem, QueueClient } from '@azure/storage-queue';
import { describeError } from '../../kernel/errors.ts';
import { poisonQueue } from '../../kernel/names.ts';
import { Backoff } from './backoff.ts';
import type { QueueSettings } from './host-json.ts';
import type { Log, LogLevel } from './log.ts';
import { pause } from './pause.ts';
import { decodeBody, sendToQueue } from './queue-message.ts';
import type { MessageProperties } from './queue-message.ts';
import { isStorageError } from './storage-error.ts';

/** How long a message in work is invisible at a time. Source: azure-sdk-for-net, QueueListener, _visibilityTimeout. */
export const INVISIBILITY_MS = 10 * 60 * 1000;

/** What the listener needs. */
export interface QueueListenerParts {
  readonly queue: QueueClient;
  /** Makes the client of another queue of the same account. */
  readonly queueNamed: (name: string) => QueueClient;
  readonly settings: QueueSettings;
  /** Runs the function on a message's text; true when it succeeded. Does not throw. */
  readonly run: (text: string, properties: MessageProperties) => Promise<boolean>;
  readonly log: Log;
}

export class QueueListener {
  readonly #parts: QueueListenerParts;
  readonly #invisibilityMs: number;
  readonly #poison: QueueClient | undefined;
  readonly #backoff: Backoff;
  readonly #inWork = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #polling: Promise<void> = Promise.resolve();

  /** `invisibilityMs`, in whole seconds, is {@link INVISIBILITY_MS} but for tests of this class. */
  constructor(parts: QueueListenerParts, invisibilityMs: number = INVISIBILITY_MS) {
    this.#parts = parts;
    this.#invisibilityMs = invisibilityMs;
    this.#backoff = new Backoff(parts.settings.maxPollingIntervalMs);
    // A poison queue has none of its own: what fails there stays invisible and is tried again.
    const { name } = parts.queue;
    this.#poison = name.endsWith('-poison') ? undefined : parts.queueNamed(poisonQueue(name));
  }

  /** Makes the queue if it is missing, and begins. Azure's host only waits for it; locally nobody else may make it. */
  async start(): Promise<void> {
    await this.#parts.queue.createIfNotExists();
    this.#polling = this.#poll();
  }

  /** Fetches nothing more; resolves when everything in work is done and settled with the queue. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#polling;
    await Promise.all(this.#inWork);
  }

  async #poll(): Promise<void> {
    const stopped = aborted(this.#stop.signal);
    let found = false;
    while (!this.#stop.signal.aborted) {
      const messages = await this.#receive();
      for (const message of messages) {
        const work: Promise<void> = this.#process(message).finally(() => this.#inWork.delete(work));
        this.#inWork.add(work);
      }
      if (messages.length === 0) {
        await pause(this.#backoff.next(found), this.#stop.signal);
        found = false;
        continue;
      }
      found = true;
      await Promise.race([this.#roomForBatch(), stopped]);
    }
  }

  async #roomForBatch(): Promise<void> {
    while (this.#inWork.size > this.#parts.settings.newBatchThreshold) await Promise.race(this.#inWork);
  }

  /** A request that is under way when the host stops is not cut off: its messages would be lost for ten minutes. */
  async #receive(): Promise<readonly DequeuedMessageItem[]> {
    try {
      const answer = await this.#parts.queue.receiveMessages({
        numberOfMessages: this.#parts.settings.batchSize,
        visibilityTimeout: this.#invisibilityMs / 1000,
      });
      return answer.receivedMessageItems;
    } catch (error) {
      this.#log('warning', `messages cannot be fetched, trying again later: ${describeError(error)}`);
      return [];
    }
  }

  async #process(message: DequeuedMessageItem): Promise<void> {
    const { settings, queue } = this.#parts;
    const held = new HeldMessage(queue, message, this.#invisibilityMs, (level, text) => {
      this.#log(level, text);
    });
    try {
      const body = decodeBody(message.messageText, settings.messageEncoding);
      if (!body) await this.#toPoison(held, 'is not base64');
      else if (message.dequeueCount > settings.maxDequeueCount) await this.#toPoison(held, 'was fetched too often');
      else if (await this.#attempt(held, body)) await held.delete();
      else if (message.dequeueCount >= settings.maxDequeueCount) await this.#toPoison(held, 'failed at its last try');
      else if (this.#poison) await held.release(settings.visibilityTimeoutMs);
    } catch (error) {
      this.#log(
        'error',
        `message ${message.messageId} cannot be settled, it comes back later: ${describeError(error)}`,
      );
    } finally {
      await held.letGo();
    }
  }

  async #attempt(held: HeldMessage, body: Uint8Array): Promise<boolean> {
    const { message } = held;
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
    } catch {
      this.#log('error', `message ${message.messageId} is not UTF-8, which counts as a failure of its function`);
      return false;
    }
    held.keep();
    const succeeded = await this.#parts.run(text, {
      id: message.messageId,
      popReceipt: message.popReceipt,
      dequeueCount: message.dequeueCount,
      insertedOn: message.insertedOn,
      expiresOn: message.expiresOn,
      nextVisibleOn: message.nextVisibleOn,
    });
    await held.letGo();
    return succeeded;
  }

  async #toPoison(held: HeldMessage, why: string): Promise<void> {
    if (!this.#poison) return;
    const { messageId, messageText, dequeueCount } = held.message;
    await sendToQueue(this.#poison, messageText);
    await held.delete();
    this.#log('warning', `message ${messageId} ${why} (fetched ${dequeueCount} times): moved to ${this.#poison.name}`);
  }

  #log(level: LogLevel, text: string): void {
    this.#parts.log.write(level, { category: 'Host.Queues' }, `${this.#parts.queue.name}: ${text}`);
  }
}

/** A fetched message and the receipt that is valid for it now. */
class HeldMessage {
  readonly message: DequeuedMessageItem;
  readonly #queue: QueueClient;
  readonly #invisibilityMs: number;
  readonly #log: (level: LogLevel, text: string) => void;
  #receipt: string;
  #timer: NodeJS.Timeout | undefined;
  #renewal: Promise<void> = Promise.resolve();

  constructor(
    queue: QueueClient,
    message: DequeuedMessageItem,
    invisibilityMs: number,
    log: (level: LogLevel, text: string) => void,
  ) {
    this.#queue = queue;
    this.message = message;
    this.#invisibilityMs = invisibilityMs;
    this.#log = log;
    this.#receipt = message.popReceipt;
  }

  /** Renews the invisibility at half time, until `letGo`. */
  keep(): void {
    this.#timer = setInterval(() => {
      this.#renewal = this.#renewal.then(async () => {
        try {
          await this.#show(this.#invisibilityMs);
        } catch (error) {
          this.#log('warning', `message ${this.message.messageId} cannot be held any longer: ${describeError(error)}`);
        }
      });
    }, this.#invisibilityMs / 2);
  }

  async letGo(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewal;
  }

  /** Makes it visible to everyone after `afterMs`. */
  async release(afterMs: number): Promise<void> {
    await this.#unlessTaken(() => this.#show(afterMs));
  }

  async delete(): Promise<void> {
    await this.#unlessTaken(async () => {
      await this.#queue.deleteMessage(this.message.messageId, this.#receipt);
    });
  }

  async #show(afterMs: number): Promise<void> {
    const seconds = Math.floor(afterMs / 1000);
    const answer = await this.#queue.updateMessage(this.message.messageId, this.#receipt, undefined, seconds);
    this.#receipt = answer.popReceipt ?? this.#receipt;
  }

  /** Whoever took the message over, or deleted it, has the last word: a receipt that is no longer valid is no fault. */
  async #unlessTaken(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!isStorageError(error, 400, 404, 409)) throw error;
      this.#log('debug', `message ${this.message.messageId} is no longer ours: ${describeError(error)}`);
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      resolve();
    });
  });
}
