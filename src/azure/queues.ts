/** Queues on Azure Storage. Texts travel as base64, as the functions host reads them, and never expire. */
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import type { Queues, TakenMessage } from '../ports/queue.ts';
import type { StorageAccount } from './clients.ts';
import { calling } from './errors.ts';

/** Source: Azure Storage REST, "Put Message": −1 means that the message does not expire. */
const NEVER = -1;

/** Source: Azure Queue storage: a message holds at most 64 KiB. */
const MESSAGE_BYTES_MAX = 64 * 1024;

export class StorageQueues implements Queues {
  readonly #account: StorageAccount;

  constructor(account: StorageAccount) {
    this.#account = account;
  }

  async send(queue: string, text: string, options: { delayMs?: number } = {}): Promise<void> {
    const body = Buffer.from(text, 'utf8').toString('base64');
    if (body.length > MESSAGE_BYTES_MAX) {
      throw new LeewardError('MESSAGE_INVALID', `a message of ${body.length} bytes does not fit the queue "${queue}"`);
    }
    const visibilityTimeout = Math.ceil((options.delayMs ?? 0) / 1000);
    await calling(`sending to the queue "${queue}"`, async () =>
      this.#account.queues.getQueueClient(queue).sendMessage(body, { messageTimeToLive: NEVER, visibilityTimeout }),
    );
  }

  async take(queue: string, options: { countMax: number; hiddenMs: number }): Promise<readonly TakenMessage[]> {
    const client = this.#account.queues.getQueueClient(queue);
    try {
      const { receivedMessageItems } = await calling(`looking into the queue "${queue}"`, async () =>
        client.receiveMessages({
          numberOfMessages: options.countMax,
          visibilityTimeout: Math.ceil(options.hiddenMs / 1000),
        }),
      );
      return receivedMessageItems.map(({ messageId, popReceipt, messageText }) => ({
        body: messageText,
        done: async () => {
          await calling(`deleting from the queue "${queue}"`, async () => client.deleteMessage(messageId, popReceipt));
        },
      }));
    } catch (error) {
      if (isLeewardError(error, 'NOT_FOUND')) return [];
      throw error;
    }
  }
}
