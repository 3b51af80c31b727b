/** Lease: renews the leases of a site's groups, all in one request. The site's signature is its ticket. */
import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import { app } from '../src/app/app.ts';
import { answering, jsonBody } from './http-answer.ts';

export async function lease(request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> {
  return answering(context, async () => app().lease(await jsonBody(request)));
}
