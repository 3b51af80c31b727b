/** What the cloud knows of a site: its keys' names, and the accounts that new volumes of it are given. */
import { z } from 'zod';
import { siteIdSchema } from '../kernel/ids.ts';
import { versionSchema } from '../kernel/versions.ts';
import { heartbeatSchema } from '../protocol/heartbeat.ts';
import { keyNameSchema } from '../protocol/signed.ts';
import { admissionRuleSchema } from './admission.ts';
import type { DocumentKind } from './store.ts';

export const siteSchema = z.looseObject({
  version: versionSchema,
  site: siteIdSchema,
  /** Keys by name; a key that is not 'active' signs nothing any more. Their secrets are derived, never stored. */
  keys: z.array(z.looseObject({ name: keyNameSchema, state: z.enum(['active', 'revoked']) })),
  /** The storage account that holds the site's journal. */
  account: z.string().min(1),
  /** What becomes a volume without being registered; the first rule that matches decides. */
  admission: z.array(admissionRuleSchema).optional(),
});
export type SiteDocument = z.infer<typeof siteSchema>;
export const siteKind: DocumentKind<SiteDocument> = { what: 'site', schema: siteSchema };

/**
 * The newest heartbeat of a site. When it arrived is the document's own time of writing, on the service's clock.
 */
export const heartbeatDocumentSchema = z.looseObject({
  version: versionSchema,
  site: siteIdSchema,
  key: keyNameSchema,
  heartbeat: heartbeatSchema,
});
export type HeartbeatDocument = z.infer<typeof heartbeatDocumentSchema>;
export const heartbeatKind: DocumentKind<HeartbeatDocument> = { what: 'heartbeat', schema: heartbeatDocumentSchema };
