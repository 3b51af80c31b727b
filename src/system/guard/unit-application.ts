/**
 * An application that is a systemd unit, started and stopped by systemd alone.
 *
 * Invariant: as long as a start is under way it counts as running, so that nobody takes it for stopped just before it comes up.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { LeewardError } from '../../kernel/errors.ts';
import { unifiedRoot } from './control-groups.ts';
import { HandledApplication } from './handled-application.ts';
import type { HandleFile } from './handle-file.ts';
import { startHeld } from './held-process.ts';
import { tellTool } from './tool.ts';
import { unitProperties } from './units.ts';

export class UnitApplication extends HandledApplication {
  readonly #unit: string;

  constructor(of: { handles: HandleFile; name: string; unit: string }) {
    super(of.handles, { name: of.name, unit: of.unit });
    this.#unit = of.unit;
  }

  async start(signal: AbortSignal): Promise<void> {
    const plain = { name: this.name, unit: this.#unit };
    const starter = await startHeld({
      command: ['systemctl', 'start', '--', this.#unit],
      output: 'ignore',
      signal,
      record: async (mark) => this.record({ ...plain, starter: mark }),
    });
    // It waits until systemd calls the unit started, and ends when that start is cancelled by a stop.
    if (starter.exitCode === null && starter.signalCode === null) await once(starter, 'exit');
    if (starter.exitCode !== 0) {
      const look = `systemctl status ${this.#unit}, mend what it names, and have ${this.name} started again`;
      throw new LeewardError('PLATFORM_FAILED', `systemd did not start unit ${this.#unit}: see ${look}`);
    }
    const group = (await unitProperties(this.#unit, ['ControlGroup'])).get('ControlGroup') ?? '';
    const root = unifiedRoot();
    await this.record({ ...plain, controlGroup: group === '' || root === undefined ? undefined : join(root, group) });
  }

  askToStop(): void {
    tellTool('systemctl', ['stop', '--no-block', '--', this.#unit]);
  }
}
