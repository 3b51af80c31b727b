/**
 * A volume's properties as its deltas carry them.
 *
 * Invariant: whatever the system shows, the text is one that a delta may carry; what no delta may carry is left out, since
 * no volume's replication may hang on its label.
 */
import { writeProperties } from '../../delta/properties.ts';
import type { VolumeProperties } from '../../delta/properties.ts';
import { isLeewardError } from '../../kernel/errors.ts';

/** What a person says of a volume: each counts in place of what the system knows. */
export interface SaidProperties {
  readonly label?: string | undefined;
  readonly mountPoints?: readonly string[] | undefined;
}

/** Text of a volume of which nothing is known. */
export const NO_PROPERTIES = writeProperties({});

/** The text for a delta. */
export function propertiesText(found: VolumeProperties, said: SaidProperties): string {
  let kept: VolumeProperties = {};
  const keep = (more: VolumeProperties): void => {
    if (isLawful({ ...kept, ...more })) kept = { ...kept, ...more };
  };
  if (found.identity !== undefined) keep({ identity: found.identity });
  const label = said.label ?? found.label;
  if (label !== undefined) keep({ label });
  for (const mountPoint of said.mountPoints ?? found.mountPoints ?? []) {
    keep({ mountPoints: [...(kept.mountPoints ?? []), mountPoint] });
  }
  return writeProperties(kept);
}

function isLawful(properties: VolumeProperties): boolean {
  try {
    writeProperties(properties);
    return true;
  } catch (error) {
    if (!isLeewardError(error, 'DELTA_INVALID', 'LIMIT_EXCEEDED')) throw error;
    return false;
  }
}
