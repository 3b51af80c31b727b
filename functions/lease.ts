/** Lease: renews the leases of a site's groups, all in one request. The site's signature is its ticket. */
import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import { app } from '../src/app/app.ts';
import { atDoor } from './door.ts';

export async function lease(request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> {
  return atDoor('lease', request, context, async (data) => app().lease(data));
}
