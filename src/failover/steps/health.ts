/**
 * health: each machine's probe answers 200. A machine that takes longer than its plan allows is told, and asked on: with
 * the site dead there is nothing better to do.
 */
import { describeError } from '../../kernel/errors.ts';
import type { Http } from '../../ports/http.ts';
import type { Step } from '../ports.ts';

const PROBE_TIMEOUT_MS = 5000;
const PROBE_AFTER_MS = 2000;

export const health: Step = async ({ ports, run, plan, nowMs, startedAtMs }) => {
  const answers = await Promise.all(
    run.machines.map(async ({ name, healthUrl }) => ({ name, trouble: await probe(ports.http, healthUrl) })),
  );
  const unhealthy = answers.filter(({ trouble }) => trouble !== undefined);
  if (unhealthy.length === 0) return { kind: 'done', detail: `${answers.length} machine(s) answer` };
  const told = unhealthy.map(({ name, trouble }) => `${name}: ${trouble ?? ''}`).join('; ');
  const late = nowMs - startedAtMs > plan.healthMs;
  return {
    kind: 'again',
    afterMs: PROBE_AFTER_MS,
    detail: late ? `longer than the ${plan.healthMs} ms of the plan, and still asking: ${told}` : told,
  };
};

async function probe(http: Http, url: string): Promise<string | undefined> {
  try {
    const { status } = await http.get(url, { timeoutMs: PROBE_TIMEOUT_MS });
    return status === 200 ? undefined : `status ${status}`;
  } catch (error) {
    return describeError(error);
  }
}
