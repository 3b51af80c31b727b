/**
 * Answer: an approver's link. A GET shows the question, a POST asks again, and only a POST that says so once more answers:
 * previews and prefetches open links, and change nothing. The link's token is the ticket, and opens this question alone.
 */
import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import { app } from '../src/app/app.ts';
import { formBody } from './http-answer.ts';

export async function answer(request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> {
  const { tenant = '', site = '', group = '', decision = '' } = request.params;
  const given = request.method === 'POST' ? await formBody(request) : request.query;
  const { status, headers, body } = await app().answer(
    {
      link: {
        group: `${tenant}/${site}/${group}`,
        decision,
        approver: given.get('as') ?? '',
        token: given.get('token') ?? '',
      },
      form: request.method === 'POST' ? { answer: given.get('answer'), confirmed: given.get('confirmed') } : undefined,
    },
    (line) => {
      context.error(line);
    },
  );
  return { status, headers: { ...headers }, body };
}
