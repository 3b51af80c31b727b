/**
 * A door that anybody can knock at: what stands behind it checks a signature before it reads anything.
 *
 * Invariant: what is refused is counted, and costs no more than one write a minute, however often it comes.
 */
import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import { app } from '../src/app/app.ts';
import type { Door } from '../src/app/app.ts';
import { answering, jsonBody } from './http-answer.ts';

/** Answers with what `work` made of the request's body, or with what it refused. */
export async function atDoor(
  door: Door,
  request: HttpRequest,
  context: InvocationContext,
  work: (data: unknown) => Promise<unknown>,
): Promise<HttpResponseInit> {
  return answering(context, async () => {
    try {
      return await work(await jsonBody(request));
    } catch (error) {
      await app().refused(door, error);
      throw error;
    }
  });
}
