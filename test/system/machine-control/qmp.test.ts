/** A real guest hangs, its control resets it, it answers again; and controls that do not answer as they should. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { QmpMachineControl } from '../../../src/system/machine-control/qmp.ts';
import { machineryHere, needsBooting } from '../../local/machines/machinery.ts';
import { failsWith } from '../../support/fails-with.ts';
import { HangingGuest } from '../../support/guest/hanging.ts';
import type { Guest } from '../../support/guest/qemu.ts';

const machinery = await machineryHere();
const statusSchema = z.looseObject({ status: z.string() });
const NO_SIGNAL = new AbortController().signal;

describe('a machine under QEMU', needsBooting(machinery), () => {
  let folder: string;
  let hanging: HangingGuest;
  let guest: Guest;

  before(async () => {
    assert.equal(machinery.kind, 'qemu');
    folder = await mkdtemp(join(tmpdir(), 'leeward-control-'));
    hanging = await HangingGuest.start(machinery, folder);
    guest = hanging.guest;
  });

  const status = async () => statusSchema.parse(await guest.command('query-status')).status;

  after(async () => {
    await guest.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('one that hangs is reset by its control, and answers again', async () => {
    const control = new QmpMachineControl(guest.controlPath);
    const first = await hanging.boot();
    assert.ok(first !== undefined, guest.console());
    await hanging.hang();
    assert.equal(await hanging.boot(1500), undefined, 'it hangs');
    assert.equal(await status(), 'running', 'QEMU knows nothing of that');
    await control.restart(NO_SIGNAL);
    const second = await hanging.boot();
    assert.ok(second !== undefined, guest.console());
    assert.notEqual(second, first, 'it has booted anew');
  });

  test('one that is paused runs after a restart', async () => {
    const control = new QmpMachineControl(guest.controlPath);
    await guest.command('stop');
    assert.equal(await status(), 'paused');
    await control.restart(NO_SIGNAL);
    assert.equal(await status(), 'running');
  });

  test('one whose QEMU stands still is not waited for', async () => {
    assert.ok(guest.pid);
    process.kill(guest.pid, 'SIGSTOP');
    try {
      const control = new QmpMachineControl(guest.controlPath, 300);
      const giveUp = AbortSignal.timeout(50);
      await assert.rejects(control.restart(giveUp), (error) => error === giveUp.reason);
      await assert.rejects(control.restart(NO_SIGNAL), failsWith('UNAVAILABLE'));
    } finally {
      process.kill(guest.pid, 'SIGCONT');
    }
    assert.equal(await status(), 'running');
  });

  test('one whose QEMU ended cannot be restarted from here', async () => {
    await guest.stop();
    const control = new QmpMachineControl(guest.controlPath);
    await assert.rejects(control.restart(NO_SIGNAL), failsWith('UNAVAILABLE'));
  });
});

describe('a control that is none', () => {
  const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\r\n';
  const opened: { server: Server; sockets: Set<Socket> }[] = [];
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leeward-control-'));
  });

  after(async () => {
    for (const { server, sockets } of opened) {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
    await rm(folder, { recursive: true, force: true });
  });

  /** Something that says `greeting`, and then one of `answers` for each line that it is told. */
  async function pretend(greeting: string, answers: readonly string[] = []): Promise<QmpMachineControl> {
    const path = join(folder, `${opened.length}.qmp`);
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      let told = 0;
      socket.on('error', () => undefined);
      socket.on('data', () => socket.write(answers[told++] ?? ''));
      socket.write(greeting);
    });
    opened.push({ server, sockets });
    server.listen(path);
    await once(server, 'listening');
    return new QmpMachineControl(path, 300);
  }

  test('is refused when it speaks something else', async () => {
    for (const words of ['SSH-2.0-OpenSSH_9.2\r\n', '{"hello": 1}\n', '[]\n', 'x'.repeat(70_000)]) {
      const control = await pretend(words);
      await assert.rejects(control.restart(NO_SIGNAL), failsWith('PLATFORM_FAILED'));
    }
  });

  test('is not waited for when it says nothing, or only half of a line', async () => {
    for (const control of [await pretend(''), await pretend('{"QMP":'), await pretend(GREETING)]) {
      await assert.rejects(control.restart(NO_SIGNAL), failsWith('UNAVAILABLE'));
    }
  });

  test('is told from one that refuses, and from events between', async () => {
    const taken = '{"event": "STOP", "data": {}}\r\n{"return": {}}\r\n';
    const refusing = await pretend(GREETING, [taken, '{"error": {"class": "GenericError", "desc": "not now"}}\r\n']);
    await assert.rejects(refusing.restart(NO_SIGNAL), failsWith('PLATFORM_FAILED'));
    const reset = '{"return": {}}\r\n{"event": "RESET", "data": {}}\r\n';
    const sound = await pretend(GREETING, [taken, reset, '{"return": {"status": "running"}}\n']);
    await sound.restart(NO_SIGNAL);
    const silent = await pretend(GREETING, [taken, reset, '{"return": {"running": true}}\n']);
    await assert.rejects(silent.restart(NO_SIGNAL), failsWith('PLATFORM_FAILED'));
  });

  test('is not restarted before it says that it was reset', async () => {
    const taken = '{"return": {}}\r\n';
    const control = await pretend(GREETING, [taken, taken, taken]);
    await assert.rejects(control.restart(NO_SIGNAL), failsWith('UNAVAILABLE'));
  });
});
