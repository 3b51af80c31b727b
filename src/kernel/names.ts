/**
 * The one place where names come from: containers, blobs, queues, documents.
 *
 * Invariants: a name is a function of checked identifiers and numbers only; two different things never get one name;
 * every name is legal for Azure Storage (containers 3 to 63 characters, blob names at most 1,024). Numbers are padded,
 * so that a listing is in their order. docs/names.md lists them for people.
 */
import { LeewardError } from './errors.ts';
import { DIGEST_FORM, sha256Hex } from './hash.ts';
import { groupId, siteId, volumeId } from './ids.ts';
import type { GroupRef, SiteRef, VolumeRef } from './ids.ts';

/** Containers that exist once. */
export const CONTAINERS = {
  /** State documents. */
  state: 'state',
  /** Replicas: page blobs, each a fixed VHD. */
  replicas: 'replicas',
  /** Copies of recovery points that a run's disks are imported from. */
  points: 'points',
  /** What was refused, kept for a look. */
  aside: 'aside',
} as const;

/** Queues that exist once. */
export const QUEUES = {
  /** Deltas and range lists of a running replication. */
  deltas: 'leeward-deltas',
  /** The same until a volume's current generation is the published one: one site's seed delays nobody's deltas. */
  bulk: 'leeward-bulk',
  /** Steps of failover runs. */
  failover: 'leeward-failover',
} as const;

/** Where Azure Functions puts a message that failed too often. Source: Azure Queue storage trigger, "Poison messages". */
export function poisonQueue(queue: string): string {
  return `${queue}-poison`;
}

/**
 * A site's own journal container. The hash keeps `a-b`/`c` and `a`/`b-c` apart; the identifiers before it are for
 * people. At most 8 + 20 + 1 + 20 + 9 = 58 characters.
 */
export function journalContainer(site: SiteRef): string {
  return `journal-${site.tenant}-${site.site}-${sha256Hex(siteId(site)).slice(0, 8)}`;
}

/** A generation's page blob in {@link CONTAINERS}.replicas. */
export function replicaBlob(volume: VolumeRef, generation: number): string {
  return `${volumeId(volume)}/${pad(generation, 8)}.vhd`;
}

/** A run's copy of a recovery point in {@link CONTAINERS}.points. */
export function pointBlob(volume: VolumeRef, run: string): string {
  return `${volumeId(volume)}/${run}.vhd`;
}

/**
 * How a delta's content travelled, and which attempt it was: a resend cannot overwrite a damaged entry. `literal` holds all
 * that it sets; `refs` refers to content elsewhere, and is only good for making a `literal` one of it.
 */
export type DeltaForm = `${DeltaFormKind}-${number}`;
export type DeltaFormKind = 'literal' | 'refs';

/** What a journal entry's name says. */
export interface JournalEntryName {
  readonly generation: number;
  readonly number: number;
  /** Digest of the delta, 64 hexadecimal digits. */
  readonly digest: string;
  readonly form: DeltaForm;
}

/** The highest generation: names have eight digits for it. */
export const GENERATION_MAX = 99_999_999;

/** All journal entries of a volume's generation, in the site's journal container. */
export function journalPrefix(volume: VolumeRef, generation: number): string {
  return `${volume.group}/${volume.volume}/${pad(generation, 8)}/`;
}

/** All entries of one number: two where it came with references, more after a fork or a resend. */
export function journalNumberPrefix(volume: VolumeRef, at: { generation: number; number: number }): string {
  return `${journalPrefix(volume, at.generation)}${pad(at.number, 10)}-`;
}

/** The name of a journal entry: number, digest and form, so that it never needs to be overwritten. */
export function journalEntry(volume: VolumeRef, entry: JournalEntryName): string {
  return `${journalNumberPrefix(volume, entry)}${entry.digest}-${entry.form}.delta`;
}

const ENTRY_FORM =
  /^([a-z0-9-]+)\/([a-z0-9-]+)\/(\d{8})\/(\d{10})-([0-9a-f]{64})-((?:literal|refs)-[1-9]\d{0,3})\.delta$/;

/**
 * What the name of a journal entry says; undefined for any other name, such as one that a site made up. Only the
 * canonical spelling is one: the name of the parsed values is the name itself.
 */
export function parseJournalEntry(name: string): (JournalEntryName & { group: string; volume: string }) | undefined {
  const match = ENTRY_FORM.exec(name);
  if (!match) return undefined;
  const [, group = '', volume = '', generation, number, digest = '', form] = match;
  return { group, volume, generation: Number(generation), number: Number(number), digest, form: form as DeltaForm };
}

/** What a form's text says; undefined for one that is none. */
export function parseForm(form: string): { readonly kind: DeltaFormKind; readonly attempt: number } | undefined {
  const match = /^(literal|refs)-([1-9]\d{0,3})$/.exec(form);
  return match ? { kind: match[1] === 'refs' ? 'refs' : 'literal', attempt: Number(match[2]) } : undefined;
}

/** How the content of the delta in a journal entry travelled; undefined for a name that is none of an entry. */
export function entryKind(name: string): DeltaFormKind | undefined {
  const parsed = parseJournalEntry(name);
  return parsed && parseForm(parsed.form)?.kind;
}

/**
 * A site's list of range hashes of its volume after delta `number`, in the site's journal container; named by its own
 * hash, so that a second one never needs to overwrite the first.
 */
export function rangesEntry(
  volume: VolumeRef,
  of: { readonly generation: number; readonly number: number; readonly sha256: string },
): string {
  if (!DIGEST_FORM.test(of.sha256)) throw new LeewardError('IDENTIFIER_INVALID', 'range list: not a SHA-256');
  return `${journalPrefix(volume, of.generation)}ranges/${pad(of.number, 10)}-${of.sha256}.ranges`;
}

/**
 * The container that holds one upload of raw pages and nothing else, so that deleting it ends the credential for it. The
 * hash stands for the volume: a name has no room for it.
 */
export function uploadContainer(volume: VolumeRef, generation: number): string {
  return `upload-${sha256Hex(`${volumeId(volume)}/${generation}`).slice(0, 32)}`;
}

/** The page blob in an {@link uploadContainer}. */
export const UPLOAD_BLOB = 'volume.vhd';

/** State documents, in {@link CONTAINERS}.state. */
export const documents = {
  site: (site: SiteRef) => `sites/${siteId(site)}.json`,
  heartbeat: (site: SiteRef) => `heartbeats/${siteId(site)}.json`,
  group: (group: GroupRef) => `groups/${groupId(group)}.json`,
  groupsOf: (site: SiteRef) => `groups/${siteId(site)}/`,
  allGroups: 'groups/',
  plan: (group: GroupRef) => `plans/${groupId(group)}.json`,
  volume: (volume: VolumeRef) => `volumes/${volumeId(volume)}.json`,
  volumesOf: (group: GroupRef) => `volumes/${groupId(group)}/`,
  volumesOfSite: (site: SiteRef) => `volumes/${siteId(site)}/`,
  allVolumes: 'volumes/',
  run: (group: GroupRef, run: string) => `runs/${groupId(group)}/${run}.json`,
  runsOf: (group: GroupRef) => `runs/${groupId(group)}/`,
  allRuns: 'runs/',
  decision: (group: GroupRef, decision: string) => `decisions/${groupId(group)}/${decision}.json`,
  decisionsOf: (group: GroupRef) => `decisions/${groupId(group)}/`,
  allDecisions: 'decisions/',
  /** What the monitor remembers of a site. */
  siteNotes: (site: SiteRef) => `notes/${siteId(site)}.json`,
  /** What a witness that posts its words has said. */
  witness: (site: SiteRef, name: string) => `witnesses/${siteId(site)}/${name}.json`,
  /** How much was refused at the doors that anybody can knock at. */
  refusals: 'refusals.json',
  monitor: 'monitor.json',
  people: (site: SiteRef) => `people/${siteId(site)}.json`,
  question: (group: GroupRef, decision: string) => `questions/${groupId(group)}/${decision}.json`,
  newestQuestion: (group: GroupRef) => `newest-questions/${groupId(group)}.json`,
  /** Of a site, or of one of its groups: an id is only told from the others there. */
  notice: (of: { site: string; group?: string | undefined; id: string }) =>
    `notices/${of.group === undefined ? of.site : of.group}/${of.id}.json`,
  noticesOf: (site: SiteRef) => `notices/${siteId(site)}/`,
  allNotices: 'notices/',
} as const;

/** The identifier of the volume whose document has this name, unchecked; undefined for any other name. */
export function parseVolumeDocument(name: string): string | undefined {
  return /^volumes\/(.+)\.json$/.exec(name)?.[1];
}

/** The identifier of the group whose document has this name, unchecked; undefined for any other name. */
export function parseGroupDocument(name: string): string | undefined {
  return /^groups\/(.+)\.json$/.exec(name)?.[1];
}

/** The group and the name of the decision whose document has this name, unchecked; undefined for any other name. */
export function parseDecisionDocument(name: string): { readonly group: string; readonly decision: string } | undefined {
  const [, group, decision] = /^decisions\/(.+)\/([^/]+)\.json$/.exec(name) ?? [];
  return group === undefined || decision === undefined ? undefined : { group, decision };
}

/** What a notice is sent under: the name of its document, which nothing else ever has, as TENANT/SITE[/GROUP]/ID. */
export function noticeId(name: string): string {
  return name.slice(documents.allNotices.length).replace(/\.json$/, '');
}

/** Blobs in {@link CONTAINERS}.aside: why it was refused and, beside it, the bytes. */
export function asideBlob(what: { site: string; sha256: string; kind: 'reason.json' | 'body' }): string {
  if (!DIGEST_FORM.test(what.sha256)) throw new LeewardError('IDENTIFIER_INVALID', 'aside: not a SHA-256');
  return `${what.site}/${what.sha256}.${what.kind}`;
}

/**
 * The number that the page blob's sequence number is raised to before a delta is written: epoch × 2^32 + number.
 * Below 2^53, because the SDK's numbers are doubles: epochs up to 2^21 − 1, numbers up to 2^32 − 1.
 */
export function fenceOf(at: { epoch: number; number: number }): number {
  const ok = (value: number, max: number): boolean => Number.isInteger(value) && value >= 0 && value < max;
  if (!ok(at.epoch, 2 ** 21) || !ok(at.number, 2 ** 32)) {
    throw new LeewardError('REFUSED', `epoch ${at.epoch}, number ${at.number}: no fence has room for them`);
  }
  return at.epoch * 2 ** 32 + at.number;
}

function pad(value: number, digits: number): string {
  const text = String(value);
  if (!Number.isInteger(value) || value < 0 || text.length > digits) {
    throw new LeewardError('IDENTIFIER_INVALID', `${text} does not fit ${digits} digits`);
  }
  return text.padStart(digits, '0');
}
