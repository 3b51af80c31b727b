/**
 * A stop that is armed in systemd itself, as a transient timer: see {@link ArmedStop}. It needs no process of ours.
 *
 * Its clock runs through sleep: with WakeSystem= a timer is counted on CLOCK_BOOTTIME_ALARM, without it on CLOCK_MONOTONIC,
 * which stands still meanwhile. OnBootSec= counts from the boot on the monotonic clock as it stands when the timer is made.
 * Source: systemd.timer(5), "WakeSystem=" and "OnBootSec=".
 *
 * Invariants: the time that a timer is for is part of its name, so that what is armed is what systemd has; the next one is
 * there before the one before is taken away; what it does is fixed when it is armed, and needs no file of ours.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import type { ArmedStop } from '../../ports/armed-stop.ts';
import { toolSays } from './tool.ts';

/** All that it kills, known before it is started. */
export interface KilledByTimer {
  /** Folders of control groups. */
  readonly controlGroups: readonly string[];
  readonly units: readonly string[];
  readonly containers: readonly { readonly tool: string; readonly name: string }[];
}

/** What stands in a shell's single quotes as it is: names and paths of these hold no quotes, and nothing that systemd expands. */
const PLAIN = /^[A-Za-z0-9/:_.@\\-]+$/;

/** What the timer runs: everything side by side, so that nothing waits for what does not answer. */
export function killScript({ controlGroups, units, containers }: KilledByTimer): string {
  const words = [...controlGroups, ...units, ...containers.flatMap(({ tool, name }) => [tool, name])];
  const odd = words.find((one) => !PLAIN.test(one));
  if (odd !== undefined)
    throw new LeewardError('USAGE', `"${odd}" cannot be armed in systemd: use other names, or --arm process`);
  return [
    ...controlGroups.map((folder) => `echo 1 > '${folder}/cgroup.kill' &`),
    // A start that still waits must not come after the kill, nor what its stop runs be left.
    ...units.map((unit) => `{ ${kill(unit)}; systemctl stop --no-block -- '${unit}'; ${kill(unit)}; } &`),
    ...containers.map(({ tool, name }) => `'${tool}' kill '${name}' &`),
    'wait',
  ].join(' ');
}

function kill(unit: string): string {
  return `systemctl kill --signal=SIGKILL -- '${unit}'`;
}

export class TimerStop implements ArmedStop {
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #kills: () => KilledByTimer;

  /** One for each folder of a guard. */
  constructor(of: { folder: string; clock: Clock; kills: () => KilledByTimer }) {
    this.#prefix = `leeward-stop-${createHash('sha256').update(of.folder).digest('hex').slice(0, 16)}-`;
    this.#clock = of.clock;
    this.#kills = of.kills;
  }

  async arm(untilBootMs: number): Promise<void> {
    const unit = `${this.#prefix}${Math.floor(untilBootMs)}`;
    const others = await this.#armed();
    if (!others.has(unit)) await this.#make(unit, Math.floor(untilBootMs));
    if (!(await this.#armed()).has(unit))
      throw new LeewardError('UNAVAILABLE', 'systemd does not know the stop that it was given');
    others.delete(unit);
    await this.#remove([...others.keys()]);
  }

  async disarm(): Promise<void> {
    await this.#remove([...(await this.#armed()).keys()]);
  }

  async armedBootMs(): Promise<number> {
    const times = [...(await this.#armed()).values()];
    return times.length === 0 ? 0 : Math.min(...times);
  }

  async #make(unit: string, untilBootMs: number): Promise<void> {
    // What the machine has slept until now is part of boot time alone.
    const sleptMs = this.#clock.bootMs() - monotonicMs();
    const onBootMs = Math.max(1, Math.floor(untilBootMs - sleptMs));
    const timer = [`--on-boot=${onBootMs}ms`, '--timer-property=AccuracySec=1ms', '--timer-property=WakeSystem=yes'];
    const script = killScript(this.#kills());
    await said('systemd-run', ['--quiet', '--collect', `--unit=${unit}`, ...timer, '/bin/sh', '-c', script]);
  }

  /** The timers that wait, by unit, with when they are for. */
  async #armed(): Promise<Map<string, number>> {
    const found = await said('systemctl', [
      ...['list-units', '--type=timer', '--state=active', '--plain', '--no-legend', '--full'],
      `${this.#prefix}*.timer`,
    ]);
    const names = found.split('\n').map(
      (line) =>
        line
          .trim()
          .split(' ')[0]
          ?.replace(/\.timer$/, '') ?? '',
    );
    return new Map(
      names
        .filter((name) => name.startsWith(this.#prefix))
        .map((name): [string, number] => [name, Number(name.slice(this.#prefix.length))])
        .filter(([, untilBootMs]) => Number.isFinite(untilBootMs)),
    );
  }

  async #remove(units: readonly string[]): Promise<void> {
    if (units.length > 0) await said('systemctl', ['stop', '--', ...units.map((unit) => `${unit}.timer`)]);
  }
}

/** CLOCK_MONOTONIC, which is what Node takes this from on Linux. Source: libuv, uv_hrtime(). */
function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Makes sure that timers can be made, and count from the boot of this machine. Errors: REFUSED, with what to do. */
export async function checkTimers(): Promise<void> {
  const instead = 'arm the stop in a second process: --arm process';
  if (!existsSync('/run/systemd/system') || process.getuid?.() !== 0) {
    throw new LeewardError('REFUSED', `the guard is not root on a machine that systemd runs: ${instead}`);
  }
  // In a container systemd counts from the container's own start. It answers with an error for none.
  const container = await toolSays('systemd-detect-virt', ['--container']).catch(() => 'none');
  if (container.trim() !== 'none')
    throw new LeewardError('REFUSED', `this is a container (${container.trim()}): ${instead}`);
}

/** Errors: UNAVAILABLE, whatever was wrong: it is tried again. */
async function said(tool: string, args: readonly string[]): Promise<string> {
  try {
    return await toolSays(tool, args);
  } catch (error) {
    throw new LeewardError('UNAVAILABLE', `systemd did not take over the stop: ${describeError(error)}`);
  }
}
