/** What the cloud knows of a site: its keys' names, who watches it, and the accounts that new volumes of it are given. */
import { z } from 'zod';
import { LeewardError } from '../kernel/errors.ts';
import { groupIdSchema, siteIdSchema } from '../kernel/ids.ts';
import { versionSchema } from '../kernel/versions.ts';
import { heartbeatSchema } from '../protocol/heartbeat.ts';
import { keyNameSchema } from '../protocol/signed.ts';
import { admissionRuleSchema } from './admission.ts';
import type { DocumentKind } from './store.ts';
import { GROUPS_MAX, WITNESS_EVERY_MS_MIN, spokenSchema, timeMsSchema, witnessesSchema } from './witness.ts';
import type { Witness } from './witness.ts';

export const siteSchema = z.looseObject({
  version: versionSchema,
  site: siteIdSchema,
  /** Keys by name; a key that is not 'active' signs nothing any more. Their secrets are derived, never stored. */
  keys: z.array(z.looseObject({ name: keyNameSchema, state: z.enum(['active', 'revoked']) })),
  /** The storage account that holds the site's journal. */
  account: z.string().min(1),
  /** What becomes a volume without being registered; the first rule that matches decides. */
  admission: z.array(admissionRuleSchema).optional(),
  /** Who says whether it is up; without them its heartbeats alone do. */
  witnesses: witnessesSchema.optional(),
});
export type SiteDocument = z.infer<typeof siteSchema>;
export const siteKind: DocumentKind<SiteDocument> = { what: 'site', schema: siteSchema };

/** The site with this key active: itself where that is so already. Errors: REFUSED for a key that was revoked. */
export function withKey(site: SiteDocument, name: string): SiteDocument {
  const known = site.keys.find((key) => key.name === name);
  if (known?.state === 'active') return site;
  if (known) throw new LeewardError('REFUSED', `key "${name}" of ${site.site} was revoked: use another name`);
  return { ...site, keys: [...site.keys, { name, state: 'active' }] };
}

/** The site with this key revoked for good, if it has it. */
export function withoutKey(site: SiteDocument, name: string): SiteDocument {
  return { ...site, keys: site.keys.map((key) => (key.name === name ? { ...key, state: 'revoked' } : key)) };
}

/** Where the monitor runs: its canary, and what it asks itself, fail together. */
export const MONITOR_DOMAIN = 'monitor';

/** Who says whether the site is up. `everyMs` is how often sites are asked for a heartbeat. */
export function witnessesOf({ witnesses }: Pick<SiteDocument, 'witnesses'>, everyMs: number): readonly Witness[] {
  const own = Math.max(WITNESS_EVERY_MS_MIN, everyMs);
  return witnesses ?? [{ name: 'heartbeat', kind: 'heartbeat', domain: MONITOR_DOMAIN, everyMs: own }];
}

/**
 * The newest heartbeat of a site. When it arrived is the document's own time of writing, on the service's clock.
 */
export const heartbeatDocumentSchema = z.looseObject({
  version: versionSchema,
  site: siteIdSchema,
  key: keyNameSchema,
  heartbeat: heartbeatSchema,
  /** What the site has said of the groups that the newest heartbeat names, over all heartbeats that named them without a gap. */
  said: z
    .array(
      z.looseObject({
        group: groupIdSchema,
        /** `up`: it holds the lease; `down`: "stopped, no lease". */
        word: spokenSchema,
        /** Since when it has wanted the group failed over by this decision of its own. */
        wish: z.looseObject({ decision: z.string(), sinceMs: timeMsSchema }).nullable(),
      }),
    )
    .max(GROUPS_MAX)
    .optional(),
});
export type HeartbeatDocument = z.infer<typeof heartbeatDocumentSchema>;
export const heartbeatKind: DocumentKind<HeartbeatDocument> = { what: 'heartbeat', schema: heartbeatDocumentSchema };
