/** Stopped: takes a guard's promise never to start in a closing term again. The guard's signature is its ticket. */
import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import { app } from '../src/app/app.ts';
import { atDoor } from './door.ts';

export async function stopped(request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> {
  return atDoor('stopped', request, context, async (data) => app().stopped(data));
}
