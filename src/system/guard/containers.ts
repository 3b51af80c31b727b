/** What a container engine says of a container. Source: docker-inspect(1), podman-inspect(1). */
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import type { ContainerTool } from '../../ports/launch.ts';
import { toolSays } from './tool.ts';

/** A container that exists, by name. */
export interface ContainerRef {
  readonly tool: ContainerTool;
  readonly name: string;
}

/** What it says to a template of Go's. Errors: NOT_FOUND, UNAVAILABLE, REFUSED. */
async function inspect({ tool, name }: ContainerRef, template: string): Promise<string> {
  try {
    return (await toolSays(tool, ['container', 'inspect', '--format', template, name])).trim();
  } catch (error) {
    // Docker: "No such container"; Podman: "no such container".
    if (isLeewardError(error, 'REFUSED') && /no such (?:container|object)/i.test(error.message)) {
      throw new LeewardError('NOT_FOUND', `there is no container ${name}: make it with ${tool} create --restart=no`);
    }
    throw error;
  }
}

export async function containerState(container: ContainerRef): Promise<'running' | 'stopped' | 'unknown'> {
  try {
    const state = await inspect(container, '{{.State.Status}}');
    return ['created', 'configured', 'initialized', 'exited', 'dead', 'stopped'].includes(state)
      ? 'stopped'
      : 'running';
  } catch (error) {
    return isLeewardError(error, 'NOT_FOUND') ? 'stopped' : 'unknown';
  }
}

/** Its id, and the process that it is; 0 while it does not run. Errors: as of {@link inspect}. */
export async function containerProcess(
  container: ContainerRef,
): Promise<{ readonly id: string; readonly pid: number }> {
  const [id = '', pid = ''] = (await inspect(container, '{{.Id}} {{.State.Pid}}')).split(' ');
  return { id, pid: Number(pid) };
}

/** Makes sure that nothing but the guard starts it. Errors: NOT_FOUND; REFUSED with what to do; UNAVAILABLE. */
export async function checkContainer(container: ContainerRef): Promise<void> {
  const { tool, name } = container;
  const policy = await inspect(container, '{{.HostConfig.RestartPolicy.Name}}');
  if (policy === '' || policy === 'no') return;
  const what =
    tool === 'docker' ? `docker update --restart=no ${name}` : `make it anew with podman create --restart=no`;
  throw new LeewardError(
    'REFUSED',
    `container ${name} is restarted by ${tool} (policy "${policy}"), without the lease: ${what}`,
  );
}
