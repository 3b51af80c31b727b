/**
 * The canary: a real heartbeat of a site that is nobody's, sent by the monitor over the public route.
 *
 * Invariant: it goes exactly the way that every heartbeat goes, signature, counter, record and answer included, and got
 * through only when the cloud's own answer to it came back.
 */
import { heartbeatKind, siteKind } from '../documents/site.ts';
import type { SiteDocument } from '../documents/site.ts';
import type { Documents } from '../documents/store.ts';
import { LeewardError, describeError, isLeewardError } from '../kernel/errors.ts';
import { siteId } from '../kernel/ids.ts';
import type { SiteRef } from '../kernel/ids.ts';
import { parseJson } from '../kernel/json.ts';
import { documents as names } from '../kernel/names.ts';
import { CURRENT_VERSION } from '../kernel/versions.ts';
import type { Http } from '../ports/http.ts';
import { heartbeatAnswerSchema } from '../protocol/heartbeat.ts';
import { deriveKey, sign } from '../protocol/signed.ts';

/** The canary's site. No site of anybody's may be in its tenant. */
export const CANARY_SITE: SiteRef = { tenant: 'leeward', site: 'canary' };
const CANARY_KEY = 'canary';

/** How long the answer may take: far longer than a cold start, far shorter than a monitor's gap. */
const CANARY_TIMEOUT_MS = 20_000;

export interface CanaryPorts {
  readonly documents: Documents;
  readonly http: Http;
  /** The secret that keys are derived from. */
  readonly keySecret: Uint8Array;
  /** Address of the function app as sites reach it, without /api. */
  readonly publicUrl: string;
  /** The storage account of the canary's (empty) journal. */
  readonly account: string;
}

/** Sends one canary. Undefined when it got through; else why not, in words. Never throws. */
export async function sendCanary(ports: CanaryPorts): Promise<string | undefined> {
  try {
    await ensureSite(ports);
    const name = names.heartbeat(CANARY_SITE);
    const { held, serviceNowMs } = await ports.documents.readWithTime(heartbeatKind, name);
    // Above the last one even where two ticks fall into one of the service's seconds.
    const counter = Math.max(serviceNowMs, (held?.value.heartbeat.counter ?? 0) + 1);
    const key = deriveKey(ports.keySecret, { signer: siteId(CANARY_SITE), name: CANARY_KEY });
    const message = sign(key, 'heartbeat', { counter, volumes: [], groups: [] });
    const answer = await ports.http.post(`${ports.publicUrl.replace(/\/+$/, '')}/api/heartbeat`, {
      body: JSON.stringify(message),
      headers: { 'content-type': 'application/json' },
      timeoutMs: CANARY_TIMEOUT_MS,
    });
    return answer.status === 200 ? checkAnswer(answer.body) : `it was answered with status ${answer.status}`;
  } catch (error) {
    return describeError(error);
  }
}

function checkAnswer(body: string): string | undefined {
  const data = parseJson(body);
  if (data === undefined) return 'something else answered in its place: not JSON';
  const parsed = heartbeatAnswerSchema.safeParse(data);
  if (parsed.success && parsed.data.site === siteId(CANARY_SITE)) return undefined;
  return 'something else answered in its place: no answer to a heartbeat of the canary';
}

async function ensureSite(ports: CanaryPorts): Promise<void> {
  const name = names.site(CANARY_SITE);
  const held = await ports.documents.read(siteKind, name);
  if (held) {
    if (held.value.keys.some((key) => key.name === CANARY_KEY && key.state === 'active')) return;
    throw new LeewardError(
      'REFUSED',
      `key "${CANARY_KEY}" of ${siteId(CANARY_SITE)} was revoked: no canary can be sent`,
    );
  }
  try {
    const site: SiteDocument = {
      version: CURRENT_VERSION,
      site: siteId(CANARY_SITE),
      keys: [{ name: CANARY_KEY, state: 'active' }],
      account: ports.account,
    };
    await ports.documents.create(siteKind, name, site);
  } catch (error) {
    // Another tick was first.
    if (!isLeewardError(error, 'CONFLICT')) throw error;
  }
}
