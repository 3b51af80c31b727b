/** An approver's link: which page a request is answered with, and when an answer is given. */
import { answerQuestion, openQuestion } from '../health/answer.ts';
import type { AnswerPorts, AskedLink } from '../health/answer.ts';
import { badFormPage, confirmPage, noSuchPage, outcomePage, questionPage } from './answer-page.ts';
import type { Page } from './answer-page.ts';

export interface AnswerRequest {
  readonly link: AskedLink;
  /** What a form was sent with; undefined where the link was only opened. */
  readonly form: { readonly answer: string | null; readonly confirmed: string | null } | undefined;
}

/** Only a form that was confirmed changes anything. Errors: UNAVAILABLE, DENIED, CONFLICT, VERSION_TOO_NEW. */
export async function answerLink(ports: AnswerPorts, { link, form }: AnswerRequest): Promise<Page> {
  const put = await openQuestion(ports, link);
  if (!put) return await noSuchPage();
  if (!form) return await questionPage(put, link.token);
  const said = form.answer;
  if (said !== 'yes' && said !== 'no') return await badFormPage();
  const takes = put.standing.is === 'open' || (put.standing.is === 'late' && said === 'no');
  if (takes && form.confirmed !== 'yes') return await confirmPage(put, link.token, said);
  const after = takes ? await answerQuestion(ports, link, said) : put;
  return after ? await outcomePage(after, link.token, said) : await noSuchPage();
}
