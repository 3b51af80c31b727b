/** Talks with the cloud that may fail: an outage is no reason to stop. */
import type { LeewardError } from '../../kernel/errors.ts';
import { isLeewardError } from '../../kernel/errors.ts';

/**
 * The {@link LeewardError} that a talk with the cloud ended in, undefined if it went well. Any other fault is this site's
 * own, such as a full disk, and is thrown.
 */
export async function failureOf(talk: Promise<unknown>): Promise<LeewardError | undefined> {
  try {
    await talk;
    return undefined;
  } catch (error) {
    if (!isLeewardError(error)) throw error;
    return error;
  }
}
