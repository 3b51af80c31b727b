/**
 * The canary: a real heartbeat and a real question for a lease, of a site that is nobody's, sent by the monitor over the public
 * route.
 *
 * Invariant: both go exactly the way that every site's go, signature, record and answer included, and it got through only when
 * the cloud's own answers came back and the lease was granted. While either door is shut, no site's silence is its own, nor
 * that it runs nothing for want of a lease.
 */
import { groupKind } from '../../documents/group.ts';
import type { GroupDocument } from '../../documents/group.ts';
import { heartbeatKind, siteKind } from '../../documents/site.ts';
import type { Documents } from '../../documents/store.ts';
import type { Random } from '../../kernel/clock.ts';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import { groupId, siteId } from '../../kernel/ids.ts';
import type { GroupRef, SiteRef } from '../../kernel/ids.ts';
import { parseJson } from '../../kernel/json.ts';
import { documents as names } from '../../kernel/names.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import type { Http } from '../../ports/http.ts';
import { heartbeatAnswerSchema } from '../../protocol/heartbeat.ts';
import { leaseAnswerSchema } from '../../protocol/lease.ts';
import type { LeaseRequest } from '../../protocol/lease.ts';
import { deriveKey, sign } from '../../protocol/signed.ts';
import { marginMs } from '../term/margin.ts';
import { lastGranted } from '../term/term.ts';

/** The canary's site. No site of anybody's may be in its tenant. */
export const CANARY_SITE: SiteRef = { tenant: 'leeward', site: 'canary' };
/** A group without guards, volumes or a plan: nothing is ever decided about it. */
const CANARY_GROUP: GroupRef = { ...CANARY_SITE, group: 'canary' };
const CANARY_KEY = 'canary';
const CANARY_LEASE_MS = 60_000;

/** How long an answer may take: far longer than a cold start, far shorter than a monitor's gap. */
const CANARY_TIMEOUT_MS = 20_000;

export interface CanaryPorts {
  readonly documents: Documents;
  readonly http: Http;
  readonly random: Random;
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
  } catch (error) {
    return describeError(error);
  }
  // Side by side: a door that hangs takes the tick no longer than both would.
  const doors = [tried('heartbeat', sendHeartbeat(ports)), tried('lease', askLease(ports))];
  const shut = (await Promise.all(doors)).flatMap((why) => why ?? []);
  return shut.length === 0 ? undefined : shut.join('; ');
}

async function tried(door: string, sent: Promise<string | undefined>): Promise<string | undefined> {
  try {
    const why = await sent;
    return why === undefined ? undefined : `${door}: ${why}`;
  } catch (error) {
    return `${door}: ${describeError(error)}`;
  }
}

async function sendHeartbeat(ports: CanaryPorts): Promise<string | undefined> {
  const name = names.heartbeat(CANARY_SITE);
  const { held, serviceNowMs } = await ports.documents.readWithTime(heartbeatKind, name);
  // Above the last one even where two ticks fall into one of the service's seconds.
  const counter = Math.max(serviceNowMs, (held?.value.heartbeat.counter ?? 0) + 1);
  const said = await send(ports, 'heartbeat', { counter, volumes: [], groups: [] });
  if ('why' in said) return said.why;
  const parsed = heartbeatAnswerSchema.safeParse(said.answer);
  return parsed.success && parsed.data.site === siteId(CANARY_SITE) ? undefined : SOMETHING_ELSE;
}

/** As a site asks: once more where another tick was granted a lease just before. */
async function askLease(ports: CanaryPorts): Promise<string | undefined> {
  const group = groupId(CANARY_GROUP);
  let after = lastGranted(await ensureGroup(ports));
  let reason = '';
  for (let tries = 0; tries < LEASE_TRIES; tries += 1) {
    const nonce = Buffer.from(ports.random.bytes(16)).toString('hex');
    const said = await send(ports, 'lease', { groups: [{ group, nonce, after }] } satisfies LeaseRequest);
    if ('why' in said) return said.why;
    const parsed = leaseAnswerSchema.safeParse(said.answer);
    const grant = parsed.data?.groups.find((one) => one.group === group && one.nonce === nonce);
    if (!grant) return SOMETHING_ELSE;
    if (grant.granted) return undefined;
    reason = grant.reason ?? 'no reason given';
    if (grant.after === undefined) break;
    after = grant.after;
  }
  return `no lease was granted: ${reason}`;
}

const LEASE_TRIES = 3;
const SOMETHING_ELSE = 'something else answered in its place';

/** Posts a signed message to a door: the answer as JSON, or why there is none. Errors: UNAVAILABLE. */
async function send(
  { http, keySecret, publicUrl }: CanaryPorts,
  kind: 'heartbeat' | 'lease',
  payload: object,
): Promise<{ readonly answer: unknown } | { readonly why: string }> {
  const key = deriveKey(keySecret, { signer: siteId(CANARY_SITE), name: CANARY_KEY });
  const { status, body } = await http.post(`${publicUrl.replace(/\/+$/, '')}/api/${kind}`, {
    body: JSON.stringify(sign(key, kind, payload)),
    headers: { 'content-type': 'application/json' },
    timeoutMs: CANARY_TIMEOUT_MS,
  });
  return status === 200 ? { answer: parseJson(body) } : { why: `it was answered with status ${status}` };
}

async function ensureSite({ documents, account }: CanaryPorts): Promise<void> {
  const name = names.site(CANARY_SITE);
  const held =
    (await documents.read(siteKind, name)) ??
    (
      await documents.createOrRead(siteKind, name, {
        version: CURRENT_VERSION,
        site: siteId(CANARY_SITE),
        keys: [{ name: CANARY_KEY, state: 'active' }],
        account,
      })
    ).held;
  if (held.value.keys.some((key) => key.name === CANARY_KEY && key.state === 'active')) return;
  throw new LeewardError('REFUSED', `key "${CANARY_KEY}" of ${siteId(CANARY_SITE)} was revoked: no canary can be sent`);
}

async function ensureGroup({ documents }: CanaryPorts): Promise<GroupDocument> {
  const name = names.group(CANARY_GROUP);
  const known = await documents.read(groupKind, name);
  if (known) return known.value;
  const made = await documents.createOrRead(groupKind, name, {
    version: CURRENT_VERSION,
    group: groupId(CANARY_GROUP),
    term: 1,
    phase: 'open',
    holder: 'site',
    leaseMs: CANARY_LEASE_MS,
    marginMs: marginMs(CANARY_LEASE_MS),
    renewals: 0,
    run: null,
    closing: null,
  });
  return made.held.value;
}
