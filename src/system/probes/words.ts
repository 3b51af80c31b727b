/** How findings are told: one short line, without control characters. */
import type { Finding } from '../../ports/probe.ts';

/** The longest quotation of what an application or a command said. */
const QUOTED_MAX = 160;

export function well(reason: string): Finding {
  return { isWell: true, reason };
}

export function bad(reason: string): Finding {
  return { isWell: false, reason };
}

/** The first line of `text` that says something, in quotation marks. */
export function quoted(text: string): string {
  const line = text.split('\n').find((each) => each.trim() !== '') ?? '';
  const plain = line.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ').trim();
  return `"${plain.length > QUOTED_MAX ? `${plain.slice(0, QUOTED_MAX)}…` : plain}"`;
}

/** The short code of a platform's error, or what it says. */
export function shortly(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.code : quoted(error.message);
}
