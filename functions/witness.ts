/** Witness: takes what an observer sees of a site. The witness's signature is its ticket. */
import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import { app } from '../src/app/app.ts';
import { atDoor } from './door.ts';

export async function witness(request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> {
  return atDoor('witness', request, context, async (data) => app().witness(data));
}
