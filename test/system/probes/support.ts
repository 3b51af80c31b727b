/** What the tests of checks share: one look by the real adapters, and processes that are watched until they are gone. */
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type { Check, ProbeResult } from '../../../src/ports/probe.ts';
import { SystemProber } from '../../../src/system/probes/prober.ts';

export async function look(check: Check, timeoutMs = 10_000): Promise<ProbeResult> {
  return await new SystemProber().probe(check, { timeoutMs, signal: AbortSignal.timeout(timeoutMs) });
}

/** As {@link look}, without the time. */
export async function find(check: Check): Promise<{ isWell: boolean; reason: string }> {
  const { isWell, reason } = await look(check);
  return { isWell, reason };
}

export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Whether the process is gone soon: a kill is noticed a moment later. */
export async function isSoonGone(pid: number): Promise<boolean> {
  for (let tries = 0; isAlive(pid) && tries < 500; tries += 1) await wait(10);
  return !isAlive(pid);
}
