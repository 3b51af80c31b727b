/** Status: what is known of a site, its groups, volumes and runs. */
import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import { app } from '../src/app/app.ts';
import { parseSite } from '../src/kernel/ids.ts';
import { answering } from './http-answer.ts';

export async function status(request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> {
  const { tenant = '', site = '' } = request.params;
  return answering(context, async () => app().status(parseSite(`${tenant}/${site}`)));
}
