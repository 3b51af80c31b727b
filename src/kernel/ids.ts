/**
 * Identifiers: tenant / site / group / volume.
 *
 * Invariants: an identifier is checked before anything is named after it; it is plain lower-case ASCII, so that it can
 * stand in a container name, a blob name, a file name of any system and a URL without being escaped; nothing in it is
 * a path or a service name of one operating system. Limits come from the longest name built from them, `names.ts`.
 */
import { z } from 'zod';
import { LeewardError } from './errors.ts';

/** Lower-case letters, digits and single hyphens inside: what an Azure container name allows. */
const FORM = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** Longest identifier of each kind, in characters. */
export const ID_LENGTH_MAX = { tenant: 20, site: 20, group: 40, volume: 60 } as const;

type Kind = keyof typeof ID_LENGTH_MAX;

/** The site of a tenant. */
export interface SiteRef {
  readonly tenant: string;
  readonly site: string;
}

/** A protection group of a site. */
export interface GroupRef extends SiteRef {
  readonly group: string;
}

/** A volume; it belongs to exactly one group. */
export interface VolumeRef extends GroupRef {
  readonly volume: string;
}

const KINDS: readonly Kind[] = ['tenant', 'site', 'group', 'volume'];

function parseParts(text: string, kinds: readonly Kind[]): Record<string, string> {
  const parts = text.split('/');
  const form = kinds.join('/');
  if (parts.length !== kinds.length) {
    throw new LeewardError('IDENTIFIER_INVALID', `"${shorten(text)}" is not of the form ${form}`);
  }
  const ref: Record<string, string> = {};
  kinds.forEach((kind, index) => {
    const part = parts[index] ?? '';
    if (!FORM.test(part) || part.length > ID_LENGTH_MAX[kind]) {
      throw new LeewardError(
        'IDENTIFIER_INVALID',
        `${kind} "${shorten(part)}": use 1 to ${ID_LENGTH_MAX[kind]} lower-case letters, digits and single hyphens`,
      );
    }
    ref[kind] = part;
  });
  return ref;
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** Parses `tenant/site`. Throws IDENTIFIER_INVALID. */
export function parseSite(text: string): SiteRef {
  return parseParts(text, KINDS.slice(0, 2)) as unknown as SiteRef;
}

/** Parses `tenant/site/group`. Throws IDENTIFIER_INVALID. */
export function parseGroup(text: string): GroupRef {
  return parseParts(text, KINDS.slice(0, 3)) as unknown as GroupRef;
}

/** Parses `tenant/site/group/volume`. Throws IDENTIFIER_INVALID. */
export function parseVolume(text: string): VolumeRef {
  return parseParts(text, KINDS) as unknown as VolumeRef;
}

/** `tenant/site` of anything that lies in a site. */
export function siteId(ref: SiteRef): string {
  return `${ref.tenant}/${ref.site}`;
}

/** `tenant/site/group` of anything that lies in a group. */
export function groupId(ref: GroupRef): string {
  return `${siteId(ref)}/${ref.group}`;
}

/** `tenant/site/group/volume`. */
export function volumeId(ref: VolumeRef): string {
  return `${groupId(ref)}/${ref.volume}`;
}

/** `group/volume` of a volume's id: its name within its site. */
export function nameInSite(volume: string): string {
  return volume.split('/').slice(2).join('/');
}

function idSchema(parse: (text: string) => unknown, form: string): z.ZodString {
  return z.string().superRefine((text, context) => {
    try {
      parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : form });
    }
  });
}

/** Schemas of the identifiers' text forms, for documents and messages. */
export const siteIdSchema = idSchema(parseSite, 'tenant/site').meta({ description: 'A site: tenant/site.' });
/** A node of a site, as its guard is named: what follows `guard-` in the name of the guard's key. */
export const nodeSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,24}[a-z0-9])?$/)
  .meta({ description: 'A node of the site.' });
/** An application, a machine or a monitor, as the site's people name it: one word of a heartbeat, and of a file's name. */
export const nameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'use 1 to 40 lower-case letters, digits and hyphens inside');
export const groupIdSchema = idSchema(parseGroup, 'tenant/site/group').meta({
  description: 'A protection group: tenant/site/group.',
});
export const volumeIdSchema = idSchema(parseVolume, 'tenant/site/group/volume').meta({
  description: 'A volume: tenant/site/group/volume.',
});
