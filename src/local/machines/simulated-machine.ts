/**
 * The machine where QEMU, a kernel or busybox is missing: an HTTP server that answers `/health` on the machine's own
 * address and says in plain words that no operating system boots. It reads no disk, and never claims that it did.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import { MACHINE_PORT } from './machine-runner.ts';
import type { MachineRunner } from './machine-runner.ts';

/** Machines that are simulated; `reason` says why, as the end of a sentence: "qemu-img is not installed". */
export function simulatedRunner(reason: string): MachineRunner {
  return {
    kind: 'simulated',
    async start(spec) {
      const note = `this machine is simulated and no operating system boots, because ${reason}`;
      const server = createServer((request, response) => {
        const healthy = request.url?.split('?')[0] === '/health';
        const disks = spec.disks.map((disk) => ({ lun: disk.lun, mounted: false }));
        response.writeHead(healthy ? 200 : 501, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ kind: 'simulated', status: healthy ? 'up' : 'unable', note, disks }));
      });
      try {
        server.listen(MACHINE_PORT, spec.address);
        await once(server, 'listening');
      } catch (error) {
        throw new LeewardError('PLATFORM_FAILED', `machine ${spec.name} did not start: ${describeError(error)}`);
      }
      return {
        running: () => server.listening,
        async stop() {
          if (!server.listening) return;
          const closed = once(server, 'close');
          server.close();
          server.closeAllConnections();
          await closed;
        },
      };
    },
  };
}
