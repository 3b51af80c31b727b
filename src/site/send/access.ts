/**
 * The site's access file: everything that the site needs to reach the cloud, made when a volume is registered.
 *
 * Invariant: it holds the site's key, so no error about it quotes it, and it is stored for its owner's eyes only
 * (src/system/private-file.ts).
 */
import { z } from 'zod';
import { parseVolume, siteId, siteIdSchema, volumeIdSchema } from '../../kernel/ids.ts';
import { CURRENT_VERSION, checkVersion, versionSchema } from '../../kernel/versions.ts';
import { keyNameSchema } from '../../protocol/signed.ts';
import type { SigningKey } from '../../protocol/signed.ts';
import { checkAccess, keySecretSchema, parseAccess } from '../access-file.ts';

const WHAT = "the site's access file";

export const siteAccessSchema = z
  .looseObject({
    version: versionSchema,
    site: siteIdSchema,
    /** Address of the function app, without /api. */
    functionsUrl: z.url(),
    /** Only where a gateway in front of the functions asks for one; the functions themselves do not. */
    functionsKey: z.string().min(1).optional(),
    key: z.looseObject({
      name: keyNameSchema,
      secret: keySecretSchema,
    }),
    volumes: z.array(
      z.looseObject({
        volume: volumeIdSchema,
        /** Path of the block device or image file at the site. */
        source: z.string().min(1),
        /** For people, and for what is recovered from the volume, in place of what the system says. */
        label: z.string().min(1).optional(),
        mountPoints: z.array(z.string().min(1)).optional(),
      }),
    ),
  })
  .superRefine((access, context) => {
    const volumes = access.volumes.map(({ volume }) => volume);
    for (const [index, volume] of volumes.entries()) {
      const refuse = (message: string): void => {
        context.addIssue({ code: 'custom', path: ['volumes', index, 'volume'], message });
      };
      if (siteOf(volume) !== access.site) refuse(`is not a volume of ${access.site}`);
      if (volumes.indexOf(volume) !== index) refuse('stands here twice');
    }
  });
export type SiteAccess = z.infer<typeof siteAccessSchema>;

function siteOf(volume: string): string | undefined {
  try {
    return siteId(parseVolume(volume));
  } catch {
    // The volume's own schema has said so.
    return undefined;
  }
}

/** A new access file's content, without volumes. */
export function newSiteAccess(of: {
  key: SigningKey;
  functionsUrl: string;
  functionsKey?: string | undefined;
}): SiteAccess {
  return {
    version: CURRENT_VERSION,
    site: of.key.signer,
    functionsUrl: of.functionsUrl,
    ...(of.functionsKey === undefined ? {} : { functionsKey: of.functionsKey }),
    key: { name: of.key.name, secret: Buffer.from(of.key.secret).toString('base64') },
    volumes: [],
  };
}

/** The access with a volume added, or given another source. */
export function withVolume(access: SiteAccess, volume: string, source: string): SiteAccess {
  const others = access.volumes.filter((known) => known.volume !== volume);
  const known = access.volumes.find((one) => one.volume === volume);
  return { ...access, volumes: [...others, { ...known, volume, source }] };
}

/** Reads an access file's text. Errors: DOCUMENT_INVALID naming the field, never its value; VERSION_TOO_NEW. */
export function parseSiteAccess(text: string): SiteAccess {
  return parseAccess(text, siteAccessSchema, WHAT);
}

/** The text of an access file. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
export function serializeSiteAccess(access: SiteAccess): string {
  checkVersion(access, WHAT, 'rewrite');
  return `${JSON.stringify(checkAccess(access, siteAccessSchema, WHAT), undefined, 1)}\n`;
}

/** The key that the site signs with. */
export function signingKey(access: SiteAccess): SigningKey {
  const secret = new Uint8Array(Buffer.from(access.key.secret, 'base64'));
  return { signer: access.site, name: access.key.name, secret };
}
