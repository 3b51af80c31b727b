/** {@link Http} by Node's http client. */
import { KIB } from '../kernel/units.ts';
import type { Http, HttpAnswer } from '../ports/http.ts';
import { request } from './request.ts';

const BODY_BYTES_MAX = 64 * KIB;

interface Options {
  readonly timeoutMs: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export class PlainHttp implements Http {
  async get(url: string, options: Options): Promise<HttpAnswer> {
    return await send('GET', url, options);
  }

  async post(url: string, options: Options & { readonly body: string }): Promise<HttpAnswer> {
    return await send('POST', url, options);
  }
}

async function send(method: 'GET' | 'POST', url: string, options: Options & { body?: string }): Promise<HttpAnswer> {
  const what = 'HTTP request';
  const { status, body } = await request({ ...options, method, url, bodyBytesMax: BODY_BYTES_MAX, what });
  return { status, body };
}
