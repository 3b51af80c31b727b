/**
 * What a webhook is sent: one notice in the shape that it takes.
 *
 * Invariants: words that came from elsewhere are text in every shape, never markup; the notice's id is in the body and, as
 * `Idempotency-Key`, in the header, and stays the same however often it is sent. Pure.
 */
import type { NoticeDocument } from '../documents/notice.ts';
import type { Person } from '../documents/people.ts';
import { cut } from '../kernel/in-words.ts';

/** What is sent to one person. */
export interface Told {
  /** `TENANT/SITE[/GROUP]/ID`: the same for everybody, for ever. */
  readonly id: string;
  readonly notice: Pick<NoticeDocument, 'severity' | 'site' | 'group' | 'title' | 'text' | 'madeAtMs'>;
  /** The person's own link, where there is a question. */
  readonly link: string | undefined;
}

/** Characters that a section of Slack's has room for. Source: Slack API, "Section block": 3000. */
const SLACK_TEXT_MAX = 2900;
/** Source: Slack API, "Header block": 150. */
const SLACK_TITLE_MAX = 150;

/** The body and headers of the request. */
export function shaped(
  shape: Person['shape'],
  told: Told,
): { readonly body: string; readonly headers: Readonly<Record<string, string>> } {
  return {
    body: JSON.stringify(BODIES[shape](told)),
    headers: { 'Content-Type': 'application/json; charset=utf-8', 'Idempotency-Key': told.id },
  };
}

const BODIES: Readonly<Record<Person['shape'], (told: Told) => unknown>> = { plain, slack, teams };

function plain({ id, notice, link }: Told): unknown {
  const { severity, site, group, title, text, madeAtMs } = notice;
  return { id, severity, site, group, title, text, madeAt: new Date(madeAtMs).toISOString(), link };
}

/** Source: Slack API, "Sending messages using incoming webhooks", "Blocks". */
function slack({ id, notice, link }: Told): unknown {
  const title = headline(notice);
  const section = { type: 'section', text: { type: 'plain_text', text: cut(notice.text, SLACK_TEXT_MAX) || title } };
  return {
    text: escapedForSlack(title),
    // Nobody but the person shall open the link, and no preview is wanted.
    unfurl_links: false,
    unfurl_media: false,
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: cut(title, SLACK_TITLE_MAX) } },
      section,
      ...(link === undefined
        ? []
        : [{ type: 'section', text: { type: 'mrkdwn', text: `<${escapedForSlack(link)}|Look at it and answer>` } }]),
      { type: 'context', elements: [{ type: 'plain_text', text: id }] },
    ],
  };
}

/**
 * An adaptive card for a workflow "When a Teams webhook request is received". Its text is in runs, which know no markup.
 * Source: Microsoft Teams, "Create incoming webhooks with Workflows"; Adaptive Cards 1.4, "RichTextBlock", "Action.OpenUrl".
 */
function teams({ id, notice, link }: Told): unknown {
  const block = (text: string, style: Readonly<Record<string, unknown>> = {}): unknown => ({
    type: 'RichTextBlock',
    inlines: [{ type: 'TextRun', text, ...style }],
  });
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          body: [
            block(headline(notice), { weight: 'Bolder', size: 'Medium', color: COLORS[notice.severity] }),
            ...(notice.text === '' ? [] : [block(notice.text)]),
            block(id, { isSubtle: true, size: 'Small' }),
          ],
          actions: link === undefined ? [] : [{ type: 'Action.OpenUrl', title: 'Look at it and answer', url: link }],
        },
      },
    ],
  };
}

const COLORS = { info: 'Default', warning: 'Warning', critical: 'Attention' } as const;

function headline({ severity, title }: Told['notice']): string {
  return severity === 'info' ? title : `${severity === 'critical' ? 'Critical' : 'Warning'}: ${title}`;
}

/** Source: Slack API, "Formatting text for app surfaces", "Escaping text". */
function escapedForSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
