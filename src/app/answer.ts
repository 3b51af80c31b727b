/** An approver's link: which page a request is answered with, and when an answer is given. */
import { answerQuestion, openQuestion } from '../health/asking/answer.ts';
import type { AnswerPorts, AskedLink } from '../health/asking/answer.ts';
import { describeError } from '../kernel/errors.ts';
import { badFormPage, confirmPage, noSuchPage, outcomePage, questionPage, troublePage } from './answer-page.ts';
import type { Page } from './answer-page.ts';

export interface AnswerRequest {
  readonly link: AskedLink;
  /** What a form was sent with; undefined where the link was only opened. */
  readonly form: { readonly answer: string | null; readonly confirmed: string | null } | undefined;
}

/** Only a form that was confirmed changes anything. Throws nothing: a fault is a page too, and is told to `tell` in a line. */
export async function answerLink(
  ports: AnswerPorts,
  request: AnswerRequest,
  tell: (line: string) => void,
): Promise<Page> {
  try {
    return await pageOf(ports, request);
  } catch (error) {
    tell(describeError(error));
    return await troublePage();
  }
}

async function pageOf(ports: AnswerPorts, { link, form }: AnswerRequest): Promise<Page> {
  const put = await openQuestion(ports, link);
  if (!put) return await noSuchPage();
  if (!form) return await questionPage(put, link.token);
  const said = form.answer;
  if (said !== 'yes' && said !== 'no') return await badFormPage();
  const takes = put.standing.is === 'open' || (put.standing.is === 'late' && said === 'no');
  if (takes && form.confirmed !== 'yes') return await confirmPage(put, link.token, said);
  const after = form.confirmed === 'yes' ? await answerQuestion(ports, link, said) : put;
  return after ? await outcomePage(after, link.token, said) : await noSuchPage();
}
