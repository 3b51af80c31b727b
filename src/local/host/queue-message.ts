/**
 * What a queue message looks like to a function, and how one is put into a queue.
 *
 * Invariants: the function gets the decoded text, which its library parses when it is JSON; the top-level properties of a
 * JSON object are copied into the trigger metadata as text, and win over the message's own (azure-functions-host,
 * ApplyBindingData); a body that is not in the configured encoding is no message for a function.
 */
import type { QueueClient } from '@azure/storage-queue';
import { z } from 'zod';
import { parseJson } from '../../kernel/json.ts';
import type { TypedData } from './programming-model.ts';
import type { QueueSettings } from './host-json.ts';
import { isStorageError } from './storage-error.ts';

/** A message's own properties; a call by hand has neither id nor receipt. */
export interface MessageProperties {
  readonly id?: string;
  readonly popReceipt?: string;
  readonly dequeueCount: number;
  readonly insertedOn: Date;
  readonly expiresOn?: Date;
  readonly nextVisibleOn?: Date;
}

/** .NET's DateTimeOffset.MaxValue, which stands for "never" and for "unknown". */
const NEVER = '9999-12-31T23:59:59.9999999+00:00';

/** RFC 4648, section 4, with the white space that .NET's Convert.FromBase64String skips taken out. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The bytes of a message's body; undefined when it is not in `encoding`. */
export function decodeBody(body: string, encoding: QueueSettings['messageEncoding']): Uint8Array | undefined {
  if (encoding === 'none') return Buffer.from(body);
  const compact = body.replaceAll(/[ \t\r\n]/g, '');
  return BASE64.test(compact) ? Buffer.from(compact, 'base64') : undefined;
}

/** A message's trigger metadata, as Azure's host hands it to the worker. */
export function messageMetadata(text: string, properties: MessageProperties): Record<string, TypedData> {
  const date = (value: Date | undefined): TypedData => ({
    json: JSON.stringify(value ? value.toISOString().replace('Z', '+00:00') : NEVER),
  });
  const own: [string, TypedData][] = [
    ['QueueTrigger', { string: text }],
    ['DequeueCount', { int: properties.dequeueCount }],
    ['ExpirationTime', date(properties.expiresOn)],
    ['InsertionTime', date(properties.insertedOn)],
    ['NextVisibleTime', date(properties.nextVisibleOn)],
  ];
  if (properties.id !== undefined) own.push(['Id', { string: properties.id }]);
  if (properties.popReceipt !== undefined) own.push(['PopReceipt', { string: properties.popReceipt }]);
  const metadata = new Map(own);
  // Azure keeps the metadata without regard to case: `id` in the message takes the place of `Id`.
  for (const [name, value] of bodyProperties(text)) {
    const taken = [...metadata.keys()].find((key) => key.toLowerCase() === name.toLowerCase());
    metadata.set(taken ?? name, value);
  }
  return Object.fromEntries(metadata);
}

function bodyProperties(text: string): [string, TypedData][] {
  const object = jsonObject(text);
  return Object.entries(object).flatMap(([name, value]): [string, TypedData][] => {
    if (value === null || value === undefined || Array.isArray(value)) return [];
    if (typeof value === 'object') return [[name, { json: JSON.stringify(value) }]];
    // .NET writes booleans with a capital.
    if (typeof value === 'boolean') return [[name, { string: value ? 'True' : 'False' }]];
    return [[name, { string: typeof value === 'string' ? value : JSON.stringify(value) }]];
  });
}

function jsonObject(text: string): Record<string, unknown> {
  return z.record(z.string(), z.unknown()).catch({}).parse(parseJson(text));
}

/**
 * Sends `body` as it is; makes the queue when it is missing. The message lives seven days, as what Azure's host sends
 * does, to poison queues too. Source: azure-webjobs-sdk-extensions issue 891.
 */
export async function sendToQueue(queue: QueueClient, body: string): Promise<void> {
  try {
    await queue.sendMessage(body);
  } catch (error) {
    if (!isStorageError(error, 404)) throw error;
    await queue.createIfNotExists();
    await queue.sendMessage(body);
  }
}
