/**
 * Writes what a function sends to queues through its output bindings.
 *
 * Invariants: a queue that is missing is made, as Azure's host does for outputs; an array becomes one message for each
 * element; text goes as it is, everything else as JSON; the encoding is host.json's.
 */
import type { QueueClient } from '@azure/storage-queue';
import { LeewardError } from '../../kernel/errors.ts';
import { RETURN_BINDING } from './bindings.ts';
import type { HostedFunction, QueueOutput } from './bindings.ts';
import type { QueueSettings } from './host-json.ts';
import type { InvocationResponse, TypedData } from './programming-model.ts';
import { sendToQueue } from './queue-message.ts';

export interface OutputWriter {
  /** Resolves when everything that the call gave back for its queue outputs is in the queues. */
  write(hosted: HostedFunction, response: InvocationResponse): Promise<void>;
}

export function createOutputWriter(parts: {
  queue: (output: QueueOutput) => QueueClient;
  encoding: QueueSettings['messageEncoding'];
}): OutputWriter {
  return {
    async write(hosted, response) {
      for (const output of hosted.outputs) {
        const data =
          output.bindingName === RETURN_BINDING
            ? response.returnValue
            : response.outputData?.find((entry) => entry.name === output.bindingName)?.data;
        for (const text of messagesOf(data, hosted.name)) {
          const body = parts.encoding === 'base64' ? Buffer.from(text).toString('base64') : text;
          await sendToQueue(parts.queue(output), body);
        }
      }
    },
  };
}

function messagesOf(data: TypedData | null | undefined, name: string): string[] {
  if (!data) return [];
  if (data.string !== undefined) return [data.string];
  if (data.json !== undefined) {
    const value: unknown = JSON.parse(data.json);
    if (!Array.isArray(value)) return [data.json];
    return value.map((element: unknown) => (typeof element === 'string' ? element : JSON.stringify(element)));
  }
  if (data.int !== undefined) return [String(data.int)];
  if (data.double !== undefined) return [String(data.double)];
  throw new LeewardError('USAGE', `function ${name}: the local host sends text and JSON to a queue, not bytes`);
}
