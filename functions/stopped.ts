/** Stopped: takes a guard's promise never to start in a closing term again. The guard's signature is its ticket. */
import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import { app } from '../src/app/app.ts';
import { answering, jsonBody } from './http-answer.ts';

export async function stopped(request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> {
  return answering(context, async () => app().stopped(await jsonBody(request)));
}
