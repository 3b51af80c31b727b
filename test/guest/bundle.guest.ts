/**
 * A site's bundle on a Debian machine without Node, under systemd, against a cloud on the host: installed, at work,
 * replaced by another version under a held lease, rebooted, and removed. Each test goes on where the one before it ended.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bundle } from '../../scripts/bundle.ts';
import { addGuard } from '../../src/app/registered-guards.ts';
import { groupKind } from '../../src/documents/group.ts';
import { parseGroup } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { newGuardAccess, serializeGuardAccess } from '../../src/site/guard/access.ts';
import { serializeSiteAccess, withVolume } from '../../src/site/send/access.ts';
import { DebianGuest } from '../support/debian-guest/debian-guest.ts';
import { DEBIAN_TOOLS, debianLacks } from '../support/debian-guest/disk.ts';
import { QUIET } from '../support/integration/doors.ts';
import { register } from '../support/integration/live-site.ts';
import { LiveStack, until as untilThere } from '../support/integration/live-stack.ts';
import { stateOf } from '../support/integration/proof.ts';
import { needs, needsThat } from '../support/tools.ts';

const GROUP = parseGroup('acme/berlin/erp');
const VOLUME = 'acme/berlin/erp/data';
const NODE = 'north';
const VOLUME_BYTES = 256 * 1024;
/** Long enough for an emulated machine to start a guard anew before a third of it is over. */
const LEASE_MS = 120_000;
/** Only a failing test waits for it. */
const LIMIT_MS = 300_000;

const SITE = '/var/lib/leeward/sites/acme/berlin';
const GUARD = 'leeward-guard@erp';
/** Writes its process id when it starts, and a line again and again from then on. */
const COUNT = `#!/bin/sh\necho "start $$" >>"$1"\nwhile :; do echo beat >>"$1"; sleep 0.5; done\n`;
/** One of each kind, the second only where the first runs. */
const APPLICATIONS = ['command', 'unit'] as const;
const CONFIG = `
intervalMs: 5000
volumes:
  erp/data: { quiesce: { freeze: 'touch /srv/frozen; sleep 2', thaw: 'rm -f /srv/frozen', limitSeconds: 30 } }
groups:
  erp:
    stopMs: 3000
    killMs: 2000
    applications:
      command:
        node: ${NODE}
        run: { command: exec /srv/count /srv/counted-command }
        monitors: [{ name: there, kind: process, commandPattern: counted-command }]
        restarts: { attempts: 0 }
      unit:
        node: ${NODE}
        dependsOn: [command]
        run: { unit: counting.service }
        monitors: [{ name: there, kind: unit, unit: counting.service }]
        restarts: { attempts: 0 }
`;
const UNIT = '[Service]\nExecStart=/srv/count /srv/counted-unit\n';

/** Everything on the machine's disk but what the machine writes by itself, and what this test put there. */
const FILES = `find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/tmp -o -path /srv \
  -o -path /var/log -o -path /var/lib/systemd \\) -prune -o -type f -printf '%y %m %u:%g %s %T@ %p\\n' -o -printf '%y %m %u:%g %p %l\\n' | sort`;

interface Count {
  readonly starts: number;
  readonly pid: string | undefined;
  readonly beats: number;
}

async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  return untilThere(() => what, LIMIT_MS, ask, 500);
}

const lacks = debianLacks();
const { skip } = lacks === undefined ? needs(...DEBIAN_TOOLS, 'tar') : needsThat(false, lacks);

describe('a bundle at a site', { skip }, () => {
  let folder: string;
  let stack: LiveStack;
  let guest: DebianGuest;
  let filesBefore: string;
  const versions = { first: '', second: '99.0.0' };
  const ports: number[] = [];
  let isBroken = false;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leeward-bundle-guest-'));
    stack = await LiveStack.up(QUIET);
    const { facts } = stack;
    for (const url of [facts.functionsUrl, facts.blobEndpoint, facts.queueEndpoint])
      ports.push(Number(new URL(url).port));
    guest = await DebianGuest.boot(join(folder, 'guest'));
    await guest.reachHostAt(ports);
  });

  after(async () => {
    await guest.stop();
    await stack.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Unpacks a bundle in the guest, and gives the folder. */
  async function unpack(version?: string): Promise<string> {
    const file = await bundle(folder, version);
    await guest.putFile('/tmp/bundle.tar.gz', file);
    await guest.must('cd /tmp && tar -xzf bundle.tar.gz && rm bundle.tar.gz');
    await rm(file);
    return `/tmp/${basename(file, '-linux-x64.tar.gz')}`;
  }

  async function renewals(): Promise<number> {
    return (await stack.storage.documents.need(groupKind, names.group(GROUP))).value.renewals;
  }

  /** Of each application: how often it was started, its newest process while that runs, how often it has counted. */
  async function counted(): Promise<readonly Count[]> {
    const files = APPLICATIONS.map((name) => `/srv/counted-${name}`);
    const texts = await guest.must(`for file in ${files.join(' ')}; do cat $file 2>/dev/null; echo ---; done`);
    const running = await guest.must("grep -l '[s]rv/count' /proc/[0-9]*/cmdline || true");
    return APPLICATIONS.map((_, index) => {
      const text = texts.split('---\n')[index] ?? '';
      const starts = text.match(/^start \d+$/gm) ?? [];
      const pid = starts.at(-1)?.slice('start '.length);
      const isAlive = pid !== undefined && running.includes(`/proc/${pid}/`);
      return { starts: starts.length, pid: isAlive ? pid : undefined, beats: text.match(/^beat$/gm)?.length ?? 0 };
    });
  }

  /** Waits until each of them runs, started anew since `then`. */
  async function untilStarted(then?: readonly Count[]): Promise<void> {
    await until('each of them is started', async () =>
      (await counted()).every(({ starts, pid }, index) => pid !== undefined && starts > (then?.[index]?.starts ?? 0))
        ? true
        : undefined,
    );
  }

  /** Holds that what ran at `then` are the very processes that run now, and go on counting under a renewed lease. */
  async function assertTheyGoOn(then: readonly Count[]): Promise<void> {
    const same = (now: readonly Count[], before: readonly Count[]): void => {
      for (const [index, { starts, pid, beats }] of now.entries()) {
        assert.ok(pid !== undefined && pid === before[index]?.pid && starts === before[index].starts, 'it was stopped');
        assert.ok(beats > before[index].beats, 'it stood still');
      }
    };
    const [renewed, from] = [await renewals(), await counted()];
    same(from, then);
    await until('a renewal', async () => ((await renewals()) > renewed ? true : undefined));
    same(await counted(), from);
  }

  /** A test that means nothing once the one before it has failed. */
  function step(name: string, work: () => Promise<void>): void {
    test(name, async (context) => {
      if (isBroken) {
        context.skip('the one before has failed');
        return;
      }
      isBroken = true;
      try {
        await work();
        isBroken = false;
      } catch (error) {
        const last = await guest
          .run(
            `journalctl --boot --unit=leeward-agent --unit=${GUARD} --unit=counting --lines=150 --no-pager --output=short-precise`,
          )
          .catch(() => undefined);
        context.diagnostic(last?.text ?? guest.guest.console().slice(-4000));
        throw error;
      }
    });
  }

  async function mainPid(unit: string): Promise<number> {
    return Number(await guest.must(`systemctl show --property=MainPID --value ${unit}`));
  }

  /** The program that a unit's main process is, once there is one. */
  async function programOf(unit: string): Promise<string> {
    return until(`a process of ${unit}`, async () => {
      const { code, text } = await guest.run(`readlink /proc/${await mainPid(unit)}/exe`);
      return code === 0 && text.endsWith('/node\n') ? text.trim() : undefined;
    });
  }

  async function journal(unit: string): Promise<string> {
    return guest.must(`journalctl --boot --unit=${unit} --output=cat --no-pager`);
  }

  step('it installs on a machine without Node, and starts nothing', async () => {
    assert.notEqual((await guest.run('command -v node')).code, 0);
    await guest.put('/srv/count', COUNT, '0755');
    await guest.put('/etc/systemd/system/counting.service', UNIT, '0644');
    filesBefore = await guest.must(FILES);
    const unpacked = await unpack();
    versions.first = unpacked.slice('/tmp/leeward-'.length);
    await guest.must(`${unpacked}/install.sh && rm -r ${unpacked}`);
    assert.match(await guest.must('leeward --help'), /agent/);
    assert.equal(await guest.must('leeward --version'), `${versions.first}\n`);
    const modes = await guest.must('stat --format=%a:%U /var/lib/leeward /etc/leeward');
    assert.equal(modes, '700:root\n750:root\n');
    const units = '/etc/systemd/system/leeward-agent.service /etc/systemd/system/leeward-guard@.service';
    assert.equal(await guest.must(`systemd-analyze verify ${units}`), '');
    const running = await guest.must("systemctl list-units --no-legend 'leeward-agent*' 'leeward-guard*'");
    assert.equal(running, '');
  });

  step('a key that others may read is refused', async () => {
    const access = await register(stack, VOLUME, { volumeBytes: VOLUME_BYTES, leaseMs: LEASE_MS });
    const key = await addGuard(stack.storage, GROUP, NODE);
    const guard = newGuardAccess({ key, node: NODE, functionsUrl: stack.facts.functionsUrl });
    await guest.put(`${SITE}/access.json`, serializeSiteAccess(withVolume(access, VOLUME, '/srv/volume.img')), '0644');
    await guest.put(`${SITE}/leeward.yaml`, CONFIG);
    await guest.put(`${SITE}/guards/${NODE}/access.json`, serializeGuardAccess(guard), '0640');
    await guest.must(`head -c ${VOLUME_BYTES} /dev/urandom >/srv/volume.img`);
    await guest.put('/etc/leeward/guard-erp', `GROUP=acme/berlin/erp\nNODE=${NODE}\n`);
    await guest.must(`systemctl enable --quiet --now leeward-agent ${GUARD}`);
    for (const unit of ['leeward-agent', GUARD]) {
      await until(`${unit} refuses`, async () =>
        /access\.json holds a secret and others may read it/.test(await journal(unit)) ? true : undefined,
      );
    }
    assert.deepEqual(
      (await counted()).map(({ starts }) => starts),
      [0, 0],
    );
  });

  step('agent and guard are at work, the application runs under the lease', async () => {
    await guest.must(`chmod 600 ${SITE}/access.json ${SITE}/guards/${NODE}/access.json`);
    await untilStarted();
    await until('the volume is replicated', async () => {
      const { generation } = await stateOf(stack.storage, VOLUME);
      return generation.applied.number > 0 ? true : undefined;
    });
    await assertTheyGoOn(await counted());
  });

  step('however agent and guard end, nothing stays frozen and nothing is stopped', async () => {
    const then = await counted();
    await guest.must(`systemctl restart ${GUARD}`);
    await assertTheyGoOn(then);
    const end = 'systemctl kill --kill-whom=main --signal=KILL leeward-agent; systemctl stop leeward-agent';
    await guest.must(`until [ -e /srv/frozen ]; do sleep 0.1; done; ${end}`);
    await guest.must('while [ -e /srv/frozen ]; do sleep 0.1; done; systemctl start leeward-agent');
    const [agent, guard] = [await mainPid('leeward-agent'), await mainPid(GUARD)];
    await guest.must(`kill -KILL ${agent} ${guard}`);
    await assertTheyGoOn(then);
    await Promise.all(['leeward-agent', GUARD].map(async (unit) => programOf(unit)));
    assert.notDeepEqual([await mainPid('leeward-agent'), await mainPid(GUARD)], [agent, guard]);
  });

  step('another version takes over under the held lease, and the first one again', async () => {
    const unpacked = await unpack(versions.second);
    const then = await counted();
    await guest.must(`${unpacked}/install.sh && rm -r ${unpacked}`);
    const second = `/opt/leeward/${versions.second}/bin/node`;
    assert.deepEqual([await programOf('leeward-agent'), await programOf(GUARD)], [second, second]);
    assert.equal(await guest.must('leeward --version'), `${versions.second}\n`);
    await assertTheyGoOn(then);
    const first = `/opt/leeward/${versions.first}`;
    await guest.must(`${first}/install.sh`);
    assert.equal(await programOf(GUARD), `${first}/bin/node`);
    await assertTheyGoOn(then);
  });

  step('the stop outside the guard bites while the guard stands still', async () => {
    const [then, guard] = [await counted(), await mainPid(GUARD)];
    await guest.must(`kill -STOP ${guard}`);
    await until('nothing runs', async () =>
      (await counted()).every(({ pid }) => pid === undefined) ? true : undefined,
    );
    await guest.must(`kill -CONT ${guard}`);
    await untilStarted(then);
  });

  step('after a boot nothing starts until there is a lease', async () => {
    const then = await counted();
    const boot = await guest.must('cat /proc/sys/kernel/random/boot_id');
    await guest.must('systemctl reboot');
    await until('it boots', async () => {
      const now = await guest.run('cat /proc/sys/kernel/random/boot_id', { limitMs: 5000 }).catch(() => undefined);
      return now?.code === 0 && now.text !== boot ? true : undefined;
    });
    await guest.isUp();
    // Nothing of the host is reached before this test says so.
    await until('the guard asks in vain', async () =>
      /erp: the lease: /.test(await journal(GUARD)) ? true : undefined,
    );
    assert.deepEqual(
      (await counted()).map(({ starts, pid }) => ({ starts, pid })),
      then.map(({ starts }) => ({ starts, pid: undefined })),
    );
    await guest.reachHostAt(ports);
    await untilStarted(then);
  });

  step('it is not removed while a guard runs applications, and leaves nothing when it is told to', async () => {
    const then = await counted();
    const refused = await guest.run('/opt/leeward/current/uninstall.sh');
    assert.equal(refused.code, 1);
    assert.match(refused.text, /give --stop/);
    await assertTheyGoOn(then);
    await guest.must('/opt/leeward/current/uninstall.sh --stop --purge');
    assert.deepEqual(
      (await counted()).map(({ pid }) => pid),
      [undefined, undefined],
    );
    const left = "grep -l '[l]eeward.mjs' /proc/[0-9]*/cmdline; systemctl list-unit-files --no-legend 'leeward-[ag]*'";
    assert.equal((await guest.run(left)).text, '');
    assert.deepEqual(changes(filesBefore, await guest.must(FILES)), []);
  });
});

/** Lines that only one of the two has. */
function changes(one: string, other: string): string[] {
  const [ones, others] = [new Set(one.split('\n')), new Set(other.split('\n'))];
  return [
    ...[...ones].filter((line) => !others.has(line)).map((line) => `- ${line}`),
    ...[...others].filter((line) => !ones.has(line)).map((line) => `+ ${line}`),
  ];
}
