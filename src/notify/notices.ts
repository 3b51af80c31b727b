/**
 * Telling people: a notice goes into the outbox here, and is sent from there by `deliver.ts`.
 *
 * Invariants: whoever notes a notice waits for nobody's webhook; the same id of the same site or group is one notice, however
 * often it is noted, until it is old enough to be forgotten (`LEEWARD_NOTICES_KEPT_MS`).
 */
import { noticeIdSchema, noticeKind } from '../documents/notice.ts';
import type { NoticeDocument } from '../documents/notice.ts';
import type { Documents } from '../documents/store.ts';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import { parseGroup, parseSite, siteId } from '../kernel/ids.ts';
import { cut } from '../kernel/in-words.ts';
import { documents as names } from '../kernel/names.ts';
import { CURRENT_VERSION } from '../kernel/versions.ts';

/** Characters of a title and of a text; longer ones are cut. */
const TITLE_MAX = 200;
const TEXT_MAX = 4000;

export interface Notice {
  /** The same thing has the same id: lower-case letters, digits and hyphens, at most 150. */
  readonly id: string;
  readonly severity: 'info' | 'warning' | 'critical';
  /** TENANT/SITE */
  readonly site: string;
  /** TENANT/SITE/GROUP, where it is about one. */
  readonly group?: string;
  /** One line. */
  readonly title: string;
  readonly text: string;
  /** The question that it is about: approvers are sent their link to it. */
  readonly question?: { readonly decision: string; readonly untilMs: number };
  /** When it happened, on the service's clock; asked of the service where it is not given. */
  readonly atMs?: number;
}

/**
 * Puts a notice into the outbox, once by its id: at least once it reaches everybody that the site's people document names. One
 * request where it is there already or its time is given, three where it is new and has none. Repeatable. Errors:
 * IDENTIFIER_INVALID, UNAVAILABLE, DENIED.
 */
export async function noteNotice(documents: Documents, notice: Notice): Promise<void> {
  const { id, severity, site, group, question } = notice;
  parseSite(site);
  if (group !== undefined && siteId(parseGroup(group)) !== site) {
    throw new LeewardError('IDENTIFIER_INVALID', `notice "${id}": group ${group} is not of site ${site}`);
  }
  if (!noticeIdSchema.safeParse(id).success) {
    throw new LeewardError('IDENTIFIER_INVALID', `notice "${id}": its id has lower-case letters, digits and hyphens`);
  }
  const name = names.notice({ site, group, id });
  let madeAtMs = notice.atMs;
  if (madeAtMs === undefined) {
    const { held, serviceNowMs } = await documents.readWithTime(noticeKind, name);
    if (held) return;
    madeAtMs = serviceNowMs;
  }
  const document: NoticeDocument = {
    version: CURRENT_VERSION,
    id,
    severity,
    site,
    ...(group !== undefined && { group }),
    title: cut(notice.title.replaceAll(/\s+/g, ' '), TITLE_MAX),
    text: cut(notice.text, TEXT_MAX),
    ...(question && { question }),
    madeAtMs,
    deliveries: null,
    claimedUntilMs: 0,
  };
  try {
    await documents.create(noticeKind, name, document);
  } catch (error) {
    // Somebody else noted it in the meantime, or an attempt of ours before took effect unseen.
    if (!isLeewardError(error, 'CONFLICT')) throw error;
  }
}
