/**
 * An application that is a container, which exists and is started and stopped by its engine.
 *
 * Invariants: as in `unit-application.ts`; its control group is known by its id, so that it can be killed while its engine
 * does not answer.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { LeewardError } from '../../kernel/errors.ts';
import { containerProcess } from './containers.ts';
import type { ContainerRef } from './containers.ts';
import { controlGroupOf, unifiedRoot } from './control-groups.ts';
import { HandledApplication } from './handled-application.ts';
import type { HandleFile } from './handle-file.ts';
import { startHeld } from './held-process.ts';
import { tellTool } from './tool.ts';

export class ContainerApplication extends HandledApplication {
  readonly #container: ContainerRef;
  readonly #stopMs: number;

  constructor(of: { handles: HandleFile; name: string; container: ContainerRef; stopMs: number }) {
    super(of.handles, { name: of.name, container: of.container });
    this.#container = of.container;
    this.#stopMs = of.stopMs;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { tool, name } = this.#container;
    const plain = { name: this.name, container: this.#container };
    const starter = await startHeld({
      command: [tool, 'start', name],
      output: 'ignore',
      signal,
      record: async (mark) => this.record({ ...plain, starter: mark }),
    });
    // Never ended by us: its engine might go on with the start all the same.
    if (starter.exitCode === null && starter.signalCode === null) await once(starter, 'exit');
    if (starter.exitCode !== 0) {
      const look = `${tool} inspect ${name} and ${tool} logs ${name}, mend what they name, and have ${this.name} started again`;
      throw new LeewardError('PLATFORM_FAILED', `${tool} did not start container ${name}: see ${look}`);
    }
    const { id, pid } = await containerProcess(this.#container);
    await this.record({ ...plain, controlGroup: pid > 0 ? controlGroupOfContainer(id, pid) : undefined });
  }

  askToStop(): void {
    const { tool, name } = this.#container;
    // The engine would kill it when this time is over, which is the guard's to do.
    tellTool(tool, ['stop', '-t', String(Math.ceil(this.#stopMs / 1000) + 60), name]);
  }
}

/** The one that bears the container's id: its process may have made others within it. */
function controlGroupOfContainer(id: string, pid: number): string | undefined {
  const root = unifiedRoot();
  const parts = controlGroupOf(pid)?.split('/');
  const index = parts?.findIndex((part) => part.includes(id)) ?? -1;
  return root === undefined || parts === undefined || index < 0 ? undefined : join(root, ...parts.slice(0, index + 1));
}
