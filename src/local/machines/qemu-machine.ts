/**
 * The machine that really boots: QEMU runs the stack image with the replica's page blob as its data disk, read in
 * place over HTTP.
 *
 * Invariants: the blob is only ever read; what the guest writes lies in a qcow2 overlay of the disk's own, which
 * every later start finds again. Each disk is attached twice: for writing, with the serial number `lunN`, and read-only as
 * it was imported, `lunN-import`, so that the disk's bytes can be hashed while the guest has it mounted. The guest's
 * network reaches nobody; it is reached on the machine's address alone. QEMU gets SIGKILL when this process dies.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LeewardError } from '../../kernel/errors.ts';
import { QmpConnection } from '../../system/machine-control/qmp-connection.ts';
import { MACHINE_PORT } from './machine-runner.ts';
import type { MachineDisk, MachineRunner, MachineSpec } from './machine-runner.ts';
import type { StackImage } from './stack-image.ts';
import { lastWords, runTool } from './tools.ts';

/** Enough for the kernel, busybox and a page cache. */
const MEMORY_MIB = 256;

/** How long QEMU may take to end by itself before it is killed: it flushes its overlays. */
const QUIT_LIMIT_MS = 5_000;

/** The guest's console goes to the serial log; a panic ends QEMU instead of hanging. */
const KERNEL_PARAMETERS = 'console=ttyS0 quiet panic=-1 mitigations=off';

/** Machines that boot `image`. KVM is never tried: where it is announced it may hang, emulation always works. */
export function qemuRunner(image: StackImage): MachineRunner {
  return {
    kind: 'qemu',
    async start(spec) {
      await mkdir(spec.folder, { recursive: true, mode: 0o700 });
      const drives = (await Promise.all(spec.disks.map((disk) => prepareDisk(disk)))).flat();
      const child = spawn(
        'setpriv',
        ['--pdeathsig=SIGKILL', 'qemu-system-x86_64', ...commandLine(image, spec, drives)],
        {
          stdio: ['pipe', 'pipe', 'pipe'],
        },
      );
      const ended = once(child, 'exit').catch(() => undefined);
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4096)));
      const running = (): boolean => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
      try {
        const control = await QmpConnection.over({ from: child.stdout, to: child.stdin });
        const stop = async (): Promise<void> => {
          if (!running()) return;
          // It completes what the guest has written so far: the overlays stay sound. It may end before it has answered.
          void control.execute('quit').catch(() => undefined);
          const inTime = await Promise.race([ended.then(() => true), sleep(QUIT_LIMIT_MS, false, { ref: false })]);
          if (!inTime) child.kill('SIGKILL');
          await ended;
        };
        return { running, stop };
      } catch {
        child.kill('SIGKILL');
        await ended;
        throw new LeewardError('PLATFORM_FAILED', `machine ${spec.name} did not start: ${lastWords(said)}`);
      }
    },
  };
}

interface Drive {
  readonly file: string;
  readonly serial: string;
  readonly readOnly: boolean;
}

/** The overlay that takes the guest's writes, and the view of the disk as it was imported. */
async function prepareDisk(disk: MachineDisk): Promise<Drive[]> {
  const base = `json:${JSON.stringify({ driver: 'vpc', file: { driver: 'http', url: disk.url } })}`;
  await mkdir(disk.folder, { recursive: true, mode: 0o700 });
  const overlay = join(disk.folder, 'written.qcow2');
  const view = join(disk.folder, 'import.qcow2');
  // After a restart the blob service may have another port and the URL another signature: the content is the same.
  if (existsSync(overlay))
    await runTool('qemu-img', ['rebase', '-q', '-u', '-f', 'qcow2', '-F', 'vpc', '-b', base, overlay]);
  else await createOverlay(base, overlay);
  await rm(view, { force: true });
  await createOverlay(base, view);
  return [
    { file: overlay, serial: `lun${disk.lun}`, readOnly: false },
    { file: view, serial: `lun${disk.lun}-import`, readOnly: true },
  ];
}

async function createOverlay(base: string, file: string): Promise<void> {
  await runTool('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'vpc', '-b', base, file]);
}

/** The overlays name the blob's URL in their headers: it is a credential, and has no place on a command line. */
function commandLine(image: StackImage, spec: MachineSpec, drives: readonly Drive[]): string[] {
  const forward = `hostfwd=tcp:${spec.address}:${MACHINE_PORT}-:${MACHINE_PORT}`;
  return [
    ...['-machine', 'q35,accel=tcg', '-cpu', 'max', '-m', String(MEMORY_MIB)],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-qmp', 'stdio'],
    ...['-kernel', image.kernel, '-initrd', image.initramfs, '-append', KERNEL_PARAMETERS],
    ...[
      '-chardev',
      `file,id=serial,append=on,path=${escaped(join(spec.folder, 'serial.log'))}`,
      '-serial',
      'chardev:serial',
    ],
    ...['-netdev', `user,id=net,restrict=on,${forward}`, '-device', 'virtio-net-pci,netdev=net,romfile='],
    ...drives.flatMap((drive, index) => [
      '-drive',
      `id=disk${index},if=none,format=qcow2,read-only=${drive.readOnly ? 'on' : 'off'},file=${escaped(drive.file)}`,
      '-device',
      `virtio-blk-pci,drive=disk${index},serial=${drive.serial}`,
    ]),
  ];
}

/** QEMU separates options by commas; a comma in a value is doubled. */
function escaped(path: string): string {
  return path.replaceAll(',', ',,');
}
