/**
 * The pages behind an approver's link: the decision with its history, the question, and what became of it.
 *
 * Invariants: everything that came from elsewhere is escaped; there is no script, and nothing is loaded; pages are kept by
 * nobody and tell no other page their address, in which the token stands. Pure.
 */
import { createHash } from 'node:crypto';
import { html, raw } from 'hono/html';
import type { SiteDecisionDocument } from '../documents/site-failure.ts';
import type { PutQuestion } from '../health/asking/answer.ts';
import { VOTE_IN_WORDS, timeline } from '../health/decide/explain.ts';
import { decideSiteFailure } from '../health/decide/site-failure.ts';
import { answerPath } from '../protocol/answer-link.ts';

export interface Page {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const STYLE = `
:root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 52rem; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; padding-bottom: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid GrayText; }
.wide { overflow-x: auto; }
pre { font-size: .8rem; line-height: 1.45; }
.outcome { border-left: .35rem solid; padding: .5rem 1rem; font-weight: 600; }
form { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1rem; }
button { font: inherit; font-weight: 600; padding: .7rem 1.4rem; border: 2px solid; border-radius: .4rem; cursor: pointer; }
button.yes { background: #8a1c10; border-color: #8a1c10; color: #fff; }
button:focus-visible, a:focus-visible, .wide:focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
`;

/** Not a part of a template: one more space in it, and its hash is another. */
const STYLE_ELEMENT = raw(`<style>${STYLE}</style>`);

/** Only the style above, by its hash; forms go back to where they came from. Source: W3C, "Content Security Policy Level 3". */
const HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Robots-Tag': 'noindex, nofollow',
} as const;

type Html = ReturnType<typeof html>;
const NOTHING = raw('');

/** The question with everything that it stands on. */
export async function questionPage(put: PutQuestion, token: string): Promise<Page> {
  return await page(200, titleOf(put), content(put, token));
}

/** As {@link questionPage}, after somebody tried to answer: 409 where the answer was not taken. */
export async function outcomePage(put: PutQuestion, token: string, said: 'yes' | 'no'): Promise<Page> {
  const { standing, link } = put;
  const isTaken =
    standing.is === 'answered' &&
    standing.answer.by === link.approver &&
    standing.answer.is === said &&
    !standing.cameLate;
  return await page(isTaken ? 200 : 409, titleOf(put), content(put, token));
}

/** Asks again, before anything is done. */
export async function confirmPage(put: PutQuestion, token: string, said: 'yes' | 'no'): Promise<Page> {
  const { question, decision } = put;
  const title = said === 'yes' ? `Really fail over ${question.group}?` : `Really not fail over ${question.group}?`;
  return await page(
    200,
    title,
    html`<h1>${title}</h1>
      ${
        said === 'yes'
          ? html`<p>If the site is still down by this failure when the monitor next looks, which is within seconds:</p>
              <ul>
                <li>${decision?.history.keep === true ? KEPT : STRICT}</li>
                <li>machines are started in the cloud from the newest recovery points;</li>
                <li>what the site wrote after those points is not in the cloud.</li>
              </ul>`
          : html`<p>
              This failure does not fail over ${question.group}. An operator can still order it by
              <code>leeward failover start</code>.
            </p>`
      }
      <p>Your answer is recorded with your name, ${put.link.approver}, and cannot be taken back.</p>
      ${form(
        put,
        token,
        html`
          <input type="hidden" name="confirmed" value="yes" />
          <button class="${said}" name="answer" value="${said}">
            ${said === 'yes' ? 'Yes, fail over now' : 'No, do not'}
          </button>
        `,
      )}
      <p><a href="${backTo(put, token)}" rel="noreferrer">Back to the decision, without an answer</a></p>`,
  );
}

/** For every link that is none, whatever is wrong with it. */
export async function noSuchPage(): Promise<Page> {
  return await page(
    404,
    'There is nothing here',
    html`<h1>There is nothing here</h1>
      <p>This link is not valid, or not any more. Ask whoever runs Leeward for you.</p>`,
  );
}

/** For a fault that may pass: nothing was shown, and whether an answer was taken is seen by opening the link again. */
export async function troublePage(): Promise<Page> {
  const shown = await page(
    503,
    'This cannot be shown now',
    html`<h1>This cannot be shown now</h1>
      <p>Open your link again in a minute: it shows whether an answer was taken.</p>`,
  );
  return { ...shown, headers: { ...shown.headers, 'Retry-After': '30' } };
}

/** For a form that was not filled in as these pages' forms are. */
export async function badFormPage(): Promise<Page> {
  return await page(
    400,
    'This is no answer',
    html`<h1>This is no answer</h1>
      <p>Nothing was done. Open the link that you were sent, and answer there.</p>`,
  );
}

async function page(status: number, title: string, main: Html): Promise<Page> {
  const body = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <title>${title}</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        <main>${main}</main>
      </body>
    </html> `;
  return { status, headers: HEADERS, body: String(body) };
}

function titleOf({ question, standing }: PutQuestion): string {
  return standing.is === 'open' ? `Shall ${question.group} be failed over?` : `The question about ${question.group}`;
}

function content(put: PutQuestion, token: string): Html {
  const { question, decision, link, nowMs } = put;
  return html`<h1>${titleOf(put)}</h1>
    ${outcome(put)}
    <dl>
      <dt>You are</dt>
      <dd>${link.approver}</dd>
      <dt>Asked</dt>
      <dd>${time(question.askedAtMs)}</dd>
      <dt>Answer until</dt>
      <dd>${time(question.untilMs)}</dd>
      ${
        decision
          ? html`<dt>No answer</dt>
              <dd>${NO_ANSWER[decision.history.noAnswer]}</dd>`
          : NOTHING
      }
      <dt>Now</dt>
      <dd>${time(nowMs)}</dd>
      <dt>Decision</dt>
      <dd>${question.decision}, term ${question.term}</dd>
    </dl>
    <h2>Why</h2>
    <p>${question.why}.</p>
    ${answering(put, token)} ${decision ? history(decision) : html`<p>The decision's history cannot be read.</p>`}`;
}

const STRICT = 'the group’s lease is closed, and its applications at the site stop with it, if they still run;';
const KEPT =
  'the group’s lease is closed; its applications at the site would run on, so that the failover waits until an operator confirms that they have stopped;';

const NO_ANSWER = {
  no: 'means no',
  'fail-over': 'means yes, if the plan allows a failover by itself',
} as const;

function outcome({ standing, question }: PutQuestion): Html {
  switch (standing.is) {
    case 'open':
      return NOTHING;
    case 'late':
      return html`<p class="outcome" role="status">
        The time to answer is over: a yes is not taken any more. A no is still noted.
      </p>`;
    case 'over':
      return html`<p class="outcome" role="status">This question takes no answer any more. ${standing.why}</p>`;
    case 'answered':
      return html`<p class="outcome" role="status">
        ${standing.answer.by} said ${standing.answer.is} at ${time(standing.answer.atMs)}.
        ${
          standing.cameLate
            ? `That was after the end of the time to answer, ${utc(question.untilMs)}: it counts for nothing.`
            : ''
        }
      </p>`;
  }
}

function answering(put: PutQuestion, token: string): Html {
  const { standing } = put;
  if (standing.is === 'answered' || standing.is === 'over') return NOTHING;
  const yes = html`<button class="yes" name="answer" value="yes">Yes, fail over…</button>`;
  return html`<h2>Your answer</h2>
    <p>You are asked once more before anything is done.</p>
    ${form(put, token, html`${standing.is === 'open' ? yes : NOTHING}<button class="no" name="answer" value="no">No…</button>`)}`;
}

/** The token goes in the body: what is logged of a request is its address. */
function form({ link }: PutQuestion, token: string, inside: Html): Html {
  return html`<form method="post" action="${answerPath(link)}">
    <input type="hidden" name="as" value="${link.approver}" />
    <input type="hidden" name="token" value="${token}" />
    ${inside}
  </form>`;
}

function backTo({ link }: PutQuestion, token: string): string {
  return `${answerPath(link)}?${new URLSearchParams({ as: link.approver, token }).toString()}`;
}

function history({ history: of }: SiteDecisionDocument): Html {
  const { votes } = decideSiteFailure(of);
  return html`<h2>What was seen</h2>
    <div class="wide" tabindex="0" role="region" aria-label="Witnesses">
      <table>
        <caption>
          Every witness at ${time(of.nowMs)}, when this was decided
        </caption>
        <thead>
          <tr>
            <th scope="col">Witness</th>
            <th scope="col">Failure domain</th>
            <th scope="col">Says</th>
            <th scope="col">For</th>
          </tr>
        </thead>
        <tbody>
          ${votes.map(
            ({ witness, domain, vote, reason }) =>
              html`<tr>
                <th scope="row">${witness}</th>
                <td>${domain}</td>
                <td>${VOTE_IN_WORDS[vote]}</td>
                <td>${reason}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <h2>When</h2>
    <p>Time, seconds before the decision, who, and what. Oldest first.</p>
    <div class="wide" tabindex="0" role="region" aria-label="Timeline"><pre>${timeline(of).join('\n')}</pre></div>`;
}

function time(ms: number): Html {
  return html`<time datetime="${new Date(ms).toISOString()}">${utc(ms)}</time>`;
}

function utc(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
