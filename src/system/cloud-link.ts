/**
 * The cloud as docs/site-protocol.md describes it, over plain HTTPS: no SDK, as any other implementer would.
 *
 * Invariants: nothing is retried here; no error holds a SAS, a function key or a signed text; of Storage's refusals only
 * the error code is told, since their texts quote the request.
 */
import type { z } from 'zod';
import { LeewardError } from '../kernel/errors.ts';
import { parseJson } from '../kernel/json.ts';
import { firstIssue } from '../kernel/schema.ts';
import { KIB, MIB } from '../kernel/units.ts';
import { checkVersion } from '../kernel/versions.ts';
import type { CloudLink } from '../ports/cloud-link.ts';
import type { GuardLink } from '../ports/guard-link.ts';
import { heartbeatAnswerSchema } from '../protocol/heartbeat.ts';
import type { HeartbeatAnswer } from '../protocol/heartbeat.ts';
import { leaseAnswerSchema, stoppedAnswerSchema } from '../protocol/lease.ts';
import type { LeaseAnswer, StoppedAnswer } from '../protocol/lease.ts';
import { refusalIn } from '../protocol/refusal.ts';
import type { SignedMessage } from '../protocol/signed.ts';
import { request } from './request.ts';
import type { PlainAnswer } from './request.ts';

/** A version of the Storage services that knows everything used here, messages that never expire above all. */
const STORAGE_VERSION = '2021-12-02';
/** Longest text of a message. Source: Azure Queue storage, "Put Message": 64 KiB encoded, and base64 takes 4 for 3. */
const MESSAGE_TEXT_BYTES_MAX = 48 * KIB;
/** An answer for 5,000 volumes has less. */
const ANSWER_BYTES_MAX = 16 * MIB;
const REQUEST_TIMEOUT_MS = 30_000;
/** A journal entry of 64 MiB at 2 Mbit/s takes 4.5 minutes. */
const ENTRY_TIMEOUT_MS = 300_000;
/** 4 MiB, eight of them side by side, at 2 Mbit/s take 2.3 minutes. */
const PAGES_TIMEOUT_MS = 300_000;

export interface CloudLinkOptions {
  /** Address of the function app, without /api. */
  readonly functionsUrl: string;
  /** Sent as x-functions-key where a gateway in front of the functions asks for one. */
  readonly functionsKey?: string | undefined;
  /** Of one heartbeat, lease request or message. */
  readonly requestTimeoutMs?: number;
}

export class HttpCloudLink implements CloudLink, GuardLink {
  readonly #options: CloudLinkOptions;
  readonly #timeoutMs: number;

  constructor(options: CloudLinkOptions) {
    this.#options = options;
    this.#timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  }

  async heartbeat(message: SignedMessage): Promise<HeartbeatAnswer> {
    return await this.#post('heartbeat', message, heartbeatAnswerSchema);
  }

  async lease(message: SignedMessage): Promise<LeaseAnswer> {
    return await this.#post('lease', message, leaseAnswerSchema);
  }

  async stopped(message: SignedMessage): Promise<StoppedAnswer> {
    return await this.#post('stopped', message, stoppedAnswerSchema);
  }

  async putEntry(containerUrl: string, name: string, bytes: Uint8Array): Promise<void> {
    const what = `journal entry ${name}`;
    const answer = await request({
      method: 'PUT',
      url: below(containerUrl, name.split('/').map(encodeURIComponent).join('/'), what),
      headers: {
        'x-ms-version': STORAGE_VERSION,
        'x-ms-blob-type': 'BlockBlob',
        'content-type': 'application/octet-stream',
        'if-none-match': '*',
      },
      body: bytes,
      timeoutMs: ENTRY_TIMEOUT_MS,
      bodyBytesMax: 4 * KIB,
      what,
    });
    // Names say what is in an entry, so one that is there already is this one.
    if (isThereAlready(containerUrl, answer)) return;
    if (answer.status !== 201) throw storageRefusal(what, answer);
  }

  async putPages(blobUrl: string, offset: number, bytes: Uint8Array): Promise<void> {
    const what = `${bytes.length} bytes of pages at ${offset}`;
    const answer = await request({
      method: 'PUT',
      url: below(blobUrl, '', what, { comp: 'page' }),
      headers: {
        'x-ms-version': STORAGE_VERSION,
        'x-ms-page-write': 'update',
        'x-ms-range': `bytes=${offset}-${offset + bytes.length - 1}`,
        'content-type': 'application/octet-stream',
      },
      body: bytes,
      timeoutMs: PAGES_TIMEOUT_MS,
      bodyBytesMax: 4 * KIB,
      what,
    });
    if (answer.status !== 201) throw storageRefusal(what, answer);
  }

  async sendMessage(queueUrl: string, text: string): Promise<void> {
    const sizeBytes = Buffer.byteLength(text);
    if (sizeBytes > MESSAGE_TEXT_BYTES_MAX) {
      throw new LeewardError(
        'MESSAGE_INVALID',
        `message of ${sizeBytes} bytes: a queue takes ${MESSAGE_TEXT_BYTES_MAX}; use a journal entry`,
      );
    }
    const what = 'message';
    const encoded = Buffer.from(text).toString('base64');
    const answer = await request({
      method: 'POST',
      url: below(queueUrl, 'messages', what, { messagettl: '-1' }),
      headers: { 'x-ms-version': STORAGE_VERSION, 'content-type': 'application/xml' },
      body: `<?xml version="1.0" encoding="utf-8"?><QueueMessage><MessageText>${encoded}</MessageText></QueueMessage>`,
      timeoutMs: this.#timeoutMs,
      bodyBytesMax: 4 * KIB,
      what,
    });
    if (answer.status !== 201) throw storageRefusal(what, answer);
  }

  async #post<T>(path: 'heartbeat' | 'lease' | 'stopped', message: SignedMessage, schema: z.ZodType<T>): Promise<T> {
    const { functionsUrl, functionsKey } = this.#options;
    const what = { heartbeat: 'heartbeat', lease: 'lease request', stopped: 'promise' }[path];
    const answer = await request({
      method: 'POST',
      url: below(functionsUrl, `api/${path}`, what),
      headers: {
        'content-type': 'application/json',
        ...(functionsKey === undefined ? {} : { 'x-functions-key': functionsKey }),
      },
      body: JSON.stringify(message),
      timeoutMs: this.#timeoutMs,
      bodyBytesMax: ANSWER_BYTES_MAX,
      what,
    });
    const data = parseJson(answer.body);
    if (answer.status !== 200) throw functionRefusal(what, answer.status, data);
    checkVersion(data, `the answer to the ${what}`, 'read');
    const parsed = schema.safeParse(data);
    // Something between here and the functions may answer in their place: a proxy's page is no word of the cloud's.
    if (!parsed.success) {
      throw new LeewardError('UNAVAILABLE', `${what}: the answer is not one of Leeward's: ${firstIssue(parsed.error)}`);
    }
    return parsed.data;
  }
}

/** `path` under the path of `base`, or that itself where it is empty, its query kept and added to: where a SAS URL goes on. */
function below(base: string, path: string, what: string, query: Readonly<Record<string, string>> = {}): string {
  if (!URL.canParse(base)) throw new LeewardError('USAGE', `${what}: its address is not a URL`);
  const url = new URL(base);
  if (path !== '') url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path}`;
  const added = new URLSearchParams(query).toString();
  // The SAS stays as it is, letter by letter: only text is added.
  if (added !== '') url.search = url.search === '' ? added : `${url.search}&${added}`;
  return url.href;
}

function functionRefusal(what: string, status: number, data: unknown): LeewardError {
  const refusal = refusalIn(data);
  if (refusal) return new LeewardError(refusal.code, `${what} refused: ${refusal.message}`);
  if (status === 401 || status === 403) {
    return new LeewardError(
      'DENIED',
      `${what}: status ${status} before it reached Leeward: is the function key right?`,
    );
  }
  return new LeewardError('UNAVAILABLE', `${what}: status ${status}`);
}

/**
 * Whether storage refused an entry because it exists. By a SAS that may create and not overwrite, that is a matter of
 * permission: Azure says UnauthorizedBlobOverwrite, Azurite AuthorizationPermissionMismatch, which can mean nothing else
 * where creating is permitted. Should it ever mean something else, the entry is missing, the delta is not acknowledged,
 * and it is sent again. Source: Azure Storage REST, "Blob service error codes"; "Create a service SAS", permissions.
 */
function isThereAlready(containerUrl: string, answer: PlainAnswer): boolean {
  const mayCreate = new URL(containerUrl).searchParams.get('sp')?.includes('c') ?? false;
  switch (storageCode(answer)) {
    case 'BlobAlreadyExists':
    case 'ConditionNotMet':
    case 'UnauthorizedBlobOverwrite':
      return true;
    case 'AuthorizationPermissionMismatch':
      return mayCreate;
    default:
      return false;
  }
}

function storageCode(answer: PlainAnswer): string {
  return answer.headers.get('x-ms-error-code') ?? /<Code>(\w{1,60})<\/Code>/.exec(answer.body)?.[1] ?? 'no code';
}

function storageRefusal(what: string, answer: PlainAnswer): LeewardError {
  const text = `${what}: storage answered ${answer.status} ${storageCode(answer)}`;
  if (answer.status === 401 || answer.status === 403) return new LeewardError('DENIED', text);
  return new LeewardError('UNAVAILABLE', text);
}
