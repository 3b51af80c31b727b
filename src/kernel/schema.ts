/** How a schema's refusal is told: one line that names the field. */
import type { z } from 'zod';

/** The first thing that a schema found wrong, as `field: what`. */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (!issue) return 'does not fit its schema';
  return `${issue.path.length > 0 ? issue.path.join('.') : 'the whole'}: ${issue.message}`;
}
