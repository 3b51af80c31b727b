/**
 * Receives a heartbeat: records the site's word and answers everything that its senders must be told.
 *
 * Invariants: a heartbeat changes nothing but the record of the newest one, and what its words of a volume ask for; a
 * counter that does not grow changes nothing at all, so that a recorded heartbeat cannot keep a dead site alive; what is
 * acknowledged is the tip as it was read, and never more; an upload's place is named only while its base is open. A
 * volume or group whose document this program cannot understand is left out of the answer and told to people: a volume's
 * sender then goes on keeping what it has, which loses nothing, while the others go on.
 */
import { groupKind } from '../documents/group.ts';
import type { GroupDocument } from '../documents/group.ts';
import { heartbeatKind } from '../documents/site.ts';
import type { HeartbeatDocument } from '../documents/site.ts';
import { DOCUMENTS_AT_ONCE } from '../documents/store.ts';
import type { Documents, Held } from '../documents/store.ts';
import { currentGeneration, uploadPlace, volumeKind } from '../documents/volume.ts';
import type { Base, Generation, VolumeDocument } from '../documents/volume.ts';
import { LeewardError, describeError, isLeewardError } from '../kernel/errors.ts';
import { fewAtOnce } from '../kernel/few-at-once.ts';
import { parseVolume, siteId } from '../kernel/ids.ts';
import type { SiteRef } from '../kernel/ids.ts';
import { QUEUES, documents as names, journalContainer, journalPrefix } from '../kernel/names.ts';
import { CURRENT_VERSION } from '../kernel/versions.ts';
import type { AccessIssuer } from '../ports/access.ts';
import { heartbeatSchema } from '../protocol/heartbeat.ts';
import type { Heartbeat, HeartbeatAnswer, VolumeAnswer } from '../protocol/heartbeat.ts';
import { newcomers } from './newcomers.ts';
import type { Found } from './newcomers.ts';
import { openSiteMessage } from './site-message.ts';

export interface HeartbeatPorts {
  readonly documents: Documents;
  readonly access: AccessIssuer;
  /** The secret that keys are derived from. */
  readonly keySecret: Uint8Array;
  /** Lifetime of the URLs in the answer. */
  readonly accessMs: number;
  /** How often the site is asked to send. */
  readonly everyMs: number;
  /** How long journal entries are kept: docs/site-protocol.md, `journalKeptMs`. */
  readonly journalKeptMs: number;
  /** How large a delta may be that is taken; the format's own limits where nothing is said. */
  readonly limits?: HeartbeatAnswer['limits'];
  /** Heeds what the site says of a volume beyond what is only recorded. `nowMs` is the service's time. */
  readonly heed: (word: Heartbeat['volumes'][number], nowMs: number) => Promise<void>;
  /** One line for the people who run the cloud's side. */
  readonly tell: (line: string) => void;
}

/** How often the record is read again after another heartbeat's write before this one gives up. */
const RECORD_TRIES = 5;

/**
 * Records one heartbeat and makes its answer. Errors: as {@link openSiteMessage}; REFUSED when it names what is not the
 * site's, or its counter does not grow; CONFLICT when too many arrive at once; UNAVAILABLE. After any error but
 * UNAVAILABLE nothing has changed.
 */
export async function receiveHeartbeat(ports: HeartbeatPorts, data: unknown): Promise<HeartbeatAnswer> {
  const opened = await openSiteMessage(ports, data, { kind: 'heartbeat', schema: heartbeatSchema });
  const { site, key, document, payload: heartbeat } = opened;
  checkOwn(site, heartbeat);
  const serviceNowMs = await record(ports.documents, site, { key, heartbeat });

  await fewAtOnce(DOCUMENTS_AT_ONCE, heartbeat.volumes, async (word) => heedOne(ports, word, serviceNowMs));
  const journal = { account: document.account, container: journalContainer(site) };
  const expiresAtMs = serviceNowMs + ports.accessMs;
  await ports.access.ensureContainer(journal);
  const volumes = await understood(ports, site, names.volumesOfSite(site), async (name) => {
    const { value } = await ports.documents.need(volumeKind, name);
    return { source: value.source, answer: await volumeAnswer(value, { access: ports.access, expiresAtMs }) };
  });
  const groups = await understood(
    ports,
    site,
    names.groupsOf(site),
    async (name) => (await ports.documents.need(groupKind, name)).value,
  );
  const { sources: asked } = heartbeat;
  const fresh = asked && (await newcomers(ports.documents, { site: document, volumes, groups }, asked));
  return {
    version: CURRENT_VERSION,
    site: siteId(site),
    volumes: [...[...volumes.values()].flatMap((found) => found?.answer ?? []), ...(fresh?.volumes ?? [])],
    ...(fresh && { sources: fresh.sources }),
    groups: [...groups.values()].flatMap((found) => (found ? groupAnswer(found) : [])),
    access: {
      queues: {
        deltas: await ports.access.queueUrl(QUEUES.deltas, expiresAtMs),
        bulk: await ports.access.queueUrl(QUEUES.bulk, expiresAtMs),
      },
      journal: await ports.access.journalUrl(journal, expiresAtMs),
      expiresAtMs,
    },
    everyMs: ports.everyMs,
    journalKeptMs: ports.journalKeptMs,
    ...(ports.limits && { limits: ports.limits }),
  };
}

/** One volume's word; what cannot be heeded now keeps no other from being answered, and is said again by the site. */
async function heedOne(ports: HeartbeatPorts, word: Heartbeat['volumes'][number], nowMs: number): Promise<void> {
  try {
    await ports.heed(word, nowMs);
  } catch (error) {
    if (!isLeewardError(error)) throw error;
    ports.tell(`what the site says of ${word.volume} could not be heeded: ${describeError(error)}`);
  }
}

function checkOwn(site: SiteRef, heartbeat: Heartbeat): void {
  const named = [...heartbeat.volumes.map(({ volume }) => volume), ...heartbeat.groups.map(({ group }) => group)];
  const foreign = named.find((id) => !id.startsWith(`${siteId(site)}/`));
  if (foreign !== undefined) {
    throw new LeewardError('REFUSED', `heartbeat of ${siteId(site)}: "${foreign}" is not one of this site's`);
  }
}

/** Writes the heartbeat as the newest; gives the service's time. */
async function record(
  documents: Documents,
  site: SiteRef,
  word: { key: string; heartbeat: Heartbeat },
): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    const { held, serviceNowMs } = await documents.readWithTime(heartbeatKind, names.heartbeat(site));
    const { counter } = word.heartbeat;
    // A write that storage repeated may have met its own effect: then the one that is recorded is this very heartbeat.
    if (tries > 1 && held?.value.heartbeat.counter === counter) return serviceNowMs;
    if (held && counter <= held.value.heartbeat.counter) {
      throw new LeewardError(
        'REFUSED',
        `heartbeat of ${siteId(site)}: counter ${counter} is not above ${held.value.heartbeat.counter}`,
      );
    }
    try {
      await write(documents, site, { held, word });
      return serviceNowMs;
    } catch (error) {
      if (tries >= RECORD_TRIES || !isLeewardError(error, 'CONFLICT')) throw error;
    }
  }
}

async function write(
  documents: Documents,
  site: SiteRef,
  what: { held: Held<HeartbeatDocument> | undefined; word: { key: string; heartbeat: Heartbeat } },
): Promise<void> {
  const { held, word } = what;
  if (held) await documents.replace(heartbeatKind, held, { ...held.value, ...word });
  else {
    const document = { version: CURRENT_VERSION, site: siteId(site), ...word };
    await documents.create(heartbeatKind, names.heartbeat(site), document);
  }
}

/** What was read of all documents under a prefix, by their names: undefined of one that this program cannot understand. */
async function understood<T>(
  ports: HeartbeatPorts,
  site: SiteRef,
  prefix: string,
  read: (name: string) => Promise<T>,
): Promise<Found<T>> {
  const listed = ports.documents.list(prefix);
  const found = await fewAtOnce(DOCUMENTS_AT_ONCE, listed, async ({ name }): Promise<[string, T | undefined]> => {
    try {
      return [name, await read(name)];
    } catch (error) {
      if (!isLeewardError(error, 'VERSION_TOO_NEW', 'DOCUMENT_INVALID')) throw error;
      ports.tell(`${name} is left out of the answer to ${siteId(site)}: ${describeError(error)}`);
      return [name, undefined];
    }
  });
  return new Map(found);
}

function groupAnswer({ group, term, phase, holder }: GroupDocument): HeartbeatAnswer['groups'][number] {
  return { group, term, phase, holder };
}

async function volumeAnswer(
  document: VolumeDocument,
  at: { readonly access: AccessIssuer; readonly expiresAtMs: number },
): Promise<VolumeAnswer> {
  const generation = currentGeneration(document);
  return {
    volume: document.volume,
    generation: document.current,
    term: document.term,
    writable: generation.cut === null,
    acknowledged: { number: generation.tip.number, digest: generation.tip.digest },
    appliedNumber: generation.applied.number,
    // Until the current generation is what is offered for recovery, what comes is its first copy.
    queue: document.published === document.current ? 'deltas' : 'bulk',
    entryPrefix: journalPrefix(parseVolume(document.volume), document.current),
    resend: document.resend
      .filter((wanted) => wanted.generation === document.current)
      .map(({ number, form }) => ({ number, form })),
    ...(document.trouble ? { trouble: document.trouble.message } : {}),
    ...(generation.base ? { base: await baseAnswer(document.volume, generation, generation.base, at) } : {}),
    ...(document.repair ? { repair: { id: document.repair.id, ranges: document.repair.ranges } } : {}),
    ...(document.verifyAskedAtMs === undefined ? {} : { verify: true }),
  };
}

async function baseAnswer(
  volume: string,
  generation: Generation,
  { from, phase, list, digest }: Base,
  { access, expiresAtMs }: { readonly access: AccessIssuer; readonly expiresAtMs: number },
): Promise<VolumeAnswer['base']> {
  // While the upload is only being made, it is open and has no address yet.
  const told = { from, phase: phase === 'opening' ? ('open' as const) : phase, listed: list !== null };
  if (phase === 'ready') return { ...told, digest };
  if (phase !== 'open' || generation.cut) return told;
  const uploadUrl = await access.uploadUrl(uploadPlace(volume, generation), expiresAtMs);
  return { ...told, uploadUrl, volumeBytes: generation.volumeBytes, expiresAtMs };
}
