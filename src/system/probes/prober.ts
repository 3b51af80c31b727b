/** {@link Prober} on this node: each kind of check by its adapter, and the time that it takes. */
import type { Check, Finding, Prober, ProbeResult } from '../../ports/probe.ts';
import { checkCommand } from './command.ts';
import { checkHttp } from './http.ts';
import { checkPostgresql } from './postgresql.ts';
import { checkProcess } from './process.ts';
import { checkSqlite } from './sqlite.ts';
import { checkTcp } from './tcp.ts';
import { checkUnit } from './unit.ts';

export class SystemProber implements Prober {
  async probe(check: Check, options: { timeoutMs: number; signal: AbortSignal }): Promise<ProbeResult> {
    // Finer than boot time, which is told in steps of 10 ms: a response time is no deadline.
    const beganMs = performance.now();
    const finding = await look(check, options);
    return { ...finding, responseMs: performance.now() - beganMs };
  }
}

async function look(check: Check, { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal }): Promise<Finding> {
  switch (check.kind) {
    case 'process':
      return await checkProcess(check, signal);
    case 'unit':
      return await checkUnit(check, signal);
    case 'tcp':
      return await checkTcp(check, signal);
    case 'http':
      return await checkHttp(check, timeoutMs, signal);
    case 'postgresql':
      return await checkPostgresql(check, timeoutMs, signal);
    case 'sqlite':
      return await checkSqlite(check, signal);
    case 'command':
      return await checkCommand(check, signal);
  }
}
