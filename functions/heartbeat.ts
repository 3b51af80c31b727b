/** Heartbeat: records a site's word and tells it all that it needs to send. The site's signature is its ticket. */
import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import { app } from '../src/app/app.ts';
import { atDoor } from './door.ts';

export async function heartbeat(request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> {
  const tell = (line: string): void => {
    context.warn(line);
  };
  return atDoor('heartbeat', request, context, async (data) => app().heartbeat(data, tell));
}
