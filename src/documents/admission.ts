/**
 * Admission: which of what arrives from a site becomes which volume, without anybody registering it.
 *
 * Invariants: a rule can only lead into a group of its own site; the same source always becomes the same volume; rules
 * are looked at in their order, and the first that matches decides. Matching takes time in proportion to the text.
 */
import { z } from 'zod';
import { ID_LENGTH_MAX, parseVolume, siteId } from '../kernel/ids.ts';
import type { SiteRef, VolumeRef } from '../kernel/ids.ts';
import { isLeewardError } from '../kernel/errors.ts';
import { sourceSchema } from '../protocol/source.ts';

export const admissionRuleSchema = z.looseObject({
  /** The sources it is about; `*` stands for any characters, none included. */
  match: sourceSchema,
  /** The group that their volumes belong to: the last part of its identifier. */
  group: z.string().min(1).max(ID_LENGTH_MAX.group),
});
export type AdmissionRule = z.infer<typeof admissionRuleSchema>;

/**
 * The volume that `source` becomes; undefined where no rule admits it, or its name leaves nothing that a volume could be
 * called. The volume's name is the source's in lower case, with a hyphen for whatever no identifier has.
 */
export function admittedVolume(rules: readonly AdmissionRule[], site: SiteRef, source: string): VolumeRef | undefined {
  const rule = rules.find(({ match }) => matches(match, source));
  if (!rule) return undefined;
  const name = source
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  try {
    return parseVolume(`${siteId(site)}/${rule.group}/${name}`);
  } catch (error) {
    if (isLeewardError(error, 'IDENTIFIER_INVALID')) return undefined;
    throw error;
  }
}

/** Whether `text` is `pattern`, in which each `*` stands for any characters. */
function matches(pattern: string, text: string): boolean {
  const [first = '', ...others] = pattern.split('*');
  const last = others.pop();
  if (last === undefined) return pattern === text;
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const part of others) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return at <= end;
}
