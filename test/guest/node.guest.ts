/**
 * Nodes that are whole machines, each with its guard from the bundle: what cannot be done to processes alone. The machine
 * stands still and goes on, its wall clock jumps, it boots again after a failover, its watchdog bites. What its application
 * wrote is judged by the witness that takes its writes.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpMachineControl } from '../../src/system/machine-control/qmp.ts';
import { kernelFolder, machineryHere, needsBooting } from '../local/machines/machinery.ts';
import { GuestNode } from '../support/guest/guest-node.ts';
import { NODE_GUEST_TOOLS, buildNodeMachine } from '../support/guest/node-disk.ts';
import type { NodeMachine } from '../support/guest/node-disk.ts';
import { needsNetworks } from '../support/network/namespace.ts';
import { Trial } from '../support/network/trial.ts';
import { needs } from '../support/tools.ts';

const machinery = await machineryHere();
const skips = [needsBooting(machinery), needsNetworks(), needs(...NODE_GUEST_TOOLS)].map(({ skip }) => skip);

const LEASE_MS = 30_000;
/** The longest pause that the margin of these nodes allows for. */
const PAUSE_MS = 20_000;

describe('a node that is a machine', { skip: skips.find((skip) => skip !== false) ?? false }, () => {
  let folder: string;
  let machine: NodeMachine;
  let trial: Trial;

  before(async () => {
    assert.equal(machinery.kind, 'qemu');
    folder = await mkdtemp(join(tmpdir(), 'leeward-node-'));
    machine = await buildNodeMachine(machinery.image, folder, kernelFolder);
    trial = await Trial.open();
  });

  after(async () => {
    await trial.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function begin(name: string, arm: 'process' | 'watchdog'): Promise<GuestNode> {
    const { stack, witness } = trial;
    const node = await GuestNode.open({ stack, witness, machine, name, leaseMs: LEASE_MS, pauseMs: PAUSE_MS, arm });
    trial.keep(node);
    return node;
  }

  test('jumps of its clock and a pause stop nothing; a pause over the end of its lease lets nothing be written beside the cloud; booted again, it starts nothing', async (t) => {
    const node = await begin('berlin', 'process');

    await t.test('its wall clock jumps an hour ahead, and two hours back', async () => {
      await node.sh('date -s @$(($(date +%s) + 3600))');
      await trial.assertGoesOn(node);
      await node.sh('date -s @$(($(date +%s) - 7200))');
      await trial.assertGoesOn(node);
      assert.match(node.log, /the clocks went apart by -?\d+ ms/);
    });

    await t.test('it stands still for less than its lease, and hears the cloud again', async () => {
      await node.guest.command('stop');
      await sleep(LEASE_MS / 3);
      await node.guest.command('cont');
      await trial.assertGoesOn(node);
    });

    await t.test('it stands still over the end of its lease, for no longer than the margin allows', async () => {
      await node.network.cut('both');
      const cutMs = performance.now();
      const failover = trial.failOver(node);
      // Its last question lies up to a third of the lease back, so that it is not over yet.
      await sleep(LEASE_MS / 2 - 1000);
      await node.guest.command('stop');
      await sleep(PAUSE_MS - 2000);
      await node.guest.command('cont');
      await failover;
      trial.assertOneWriter(node);
      const lastMs = trial.witness.last(node.name)?.atMs ?? 0;
      assert.ok(lastMs - cutMs > LEASE_MS + 1000, 'without the margin it would have written beside the cloud');
    });

    await t.test('it is reset, and boots on standby', async () => {
      const boot = await bootOf(node);
      await node.network.heal();
      await new QmpMachineControl(node.guest.controlPath).restart(AbortSignal.timeout(10_000));
      await node.until('it has booted', async () => (await bootOf(node)) !== boot);
      await node.until('its guard is there', () => count(node.log, /guarding 1 application/g) === 2);
      await trial.assertOnStandby(node);
    });
  });

  test('its watchdog bites when guard and keeper stand still; a pause beyond what the margin allows is noticed late', async (t) => {
    const node = await begin('paris', 'watchdog');

    await t.test('guard and keeper stand still', async () => {
      const boot = await bootOf(node);
      const atMs = performance.now();
      const stopped = await node.sh(`for process in /proc/[0-9]*; do
        grep -q -e leeward.mjs -e stop-keeper $process/cmdline && kill -STOP \${process##*/} && echo stopped
      done`);
      assert.equal(count(stopped, /stopped/g), 2);
      await node.until('the machine was reset', async () => ![boot, ''].includes(await bootOf(node)));
      await trial.assertStartedAnew(node);
      const [first] = trial.witness.writers(node.name);
      const lastMs = trial.witness.of(node.name).findLast(({ writer }) => writer === first)?.atMs ?? 0;
      t.diagnostic(`it wrote for ${Math.round(lastMs - atMs)} ms after its guard stood still`);
      assert.ok(lastMs - atMs < LEASE_MS + PAUSE_MS, 'it was reset within lease and margin');
    });

    await t.test('it stands still for longer than the margin allows', async () => {
      await node.guest.command('stop');
      await trial.failOver(node);
      trial.assertOneWriter(node);
      const cloudMs = performance.now();
      await node.guest.command('cont');
      await node.until('its guard has stopped it', () => performance.now() - Math.max(cloudMs, lastOf(node)) > 10_000);
      const late = trial.witness.of(node.name).filter(({ atMs }) => atMs > cloudMs);
      t.diagnostic(`${late.length} writes beside the cloud, within ${Math.round(lastOf(node) - cloudMs)} ms`);
      assert.ok(lastOf(node) - cloudMs < LEASE_MS, 'no longer than a lease');
      assert.match(node.log, /the hardware's clock went apart from boot time by \d+ ms/);
    });
  });

  function lastOf(node: GuestNode): number {
    return trial.witness.last(node.name)?.atMs ?? 0;
  }
});

/** Which boot it is; empty while it does not answer. */
async function bootOf(node: GuestNode): Promise<string> {
  return node.sh('cat /proc/sys/kernel/random/boot_id').catch(() => '');
}

function count(text: string, form: RegExp): number {
  return [...text.matchAll(form)].length;
}
