/**
 * A guard under a real systemd, on a Debian machine: units and commands in order, its stop armed in systemd itself,
 * and a watchdog that resets the machine when nobody else can stop them. Each test goes on where the
 * one before it ended.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bundle } from '../../scripts/bundle.ts';
import { addGuard } from '../../src/app/registered-guards.ts';
import { parseGroup } from '../../src/kernel/ids.ts';
import { USUAL_STOP } from '../../src/protocol/stop-times.ts';
import { newGuardAccess, serializeGuardAccess } from '../../src/site/guard/access.ts';
import { DebianGuest } from '../support/debian-guest/debian-guest.ts';
import { DEBIAN_TOOLS, debianLacks } from '../support/debian-guest/disk.ts';
import { QUIET } from '../support/integration/doors.ts';
import { register } from '../support/integration/live-site.ts';
import { LiveStack, until as untilThere } from '../support/integration/live-stack.ts';
import { needs, needsThat } from '../support/tools.ts';

const GROUP = parseGroup('acme/berlin/erp');
const NODE = 'north';
/** Long beside all that an emulated machine takes to start a process, and beside the time of the watchdog. */
const LEASE_MS = 90_000;
/** Only a failing test waits for it. */
const LIMIT_MS = 300_000;
/** What the margin counts for a kill. */
const KILL_MS = USUAL_STOP.killMs;

const SITE = '/var/lib/leeward/sites/acme/berlin';
const GUARD = 'leeward-guard@erp';
/** Writes who it is when it starts, and the boot time of its last step again and again. */
const COUNTER = `#!/bin/sh
echo "$1 start $$" >>/srv/said
trap 'echo "$1 end" >>/srv/said; exit 0' TERM
while :; do cut -d' ' -f1 /proc/uptime >"/srv/last-$1.new"; mv "/srv/last-$1.new" "/srv/last-$1"; sleep 0.2; done
`;
const UNIT = `[Unit]\nDescription=A database\n[Service]\nExecStart=/srv/counter database\nRESTART\n[Install]\nWantedBy=multi-user.target\n`;
/** The shop's work is done in a session of its own. */
const CONFIG = `
groups:
  erp:
    stopMs: 5000
    killMs: ${KILL_MS}
    applications:
      database:
        node: ${NODE}
        run: { unit: database.service }
        monitors: [{ kind: unit, name: active, unit: database.service }]
      shop:
        node: ${NODE}
        dependsOn: [database]
        run: { command: "setsid /srv/counter shop & while :; do sleep 1; done" }
        monitors: [{ kind: process, name: there, commandPattern: "counter shop" }]
`;

/** Prints how many processes of the applications there are. */
const LIVES = 'grep -la "/srv/[c]ounter" /proc/[0-9]*/cmdline 2>/dev/null | wc -l';

async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  return untilThere(() => what, LIMIT_MS, ask, 500);
}

const lacks = debianLacks();
const { skip } = lacks === undefined ? needs(...DEBIAN_TOOLS, 'tar') : needsThat(false, lacks);

describe('a guard under systemd', { skip }, () => {
  let folder: string;
  let stack: LiveStack;
  let guest: DebianGuest;
  const ports: number[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leeward-guard-guest-'));
    stack = await LiveStack.up(QUIET);
    const { facts } = stack;
    for (const url of [facts.functionsUrl, facts.blobEndpoint, facts.queueEndpoint])
      ports.push(Number(new URL(url).port));
    await register(stack, 'acme/berlin/erp/data', { volumeBytes: 512 * 8, leaseMs: LEASE_MS });
    const key = await addGuard(stack.storage, GROUP, NODE);
    guest = await DebianGuest.boot(join(folder, 'guest'));
    await guest.reachHostAt(ports);
    const file = await bundle(folder);
    await guest.putFile('/tmp/bundle.tar.gz', file);
    await guest.must(`cd /tmp && tar -xzf bundle.tar.gz && ./${basename(file, '-linux-x64.tar.gz')}/install.sh`);
    const access = newGuardAccess({ key, node: NODE, functionsUrl: facts.functionsUrl });
    await guest.put(`${SITE}/guards/${NODE}/access.json`, serializeGuardAccess(access));
    await guest.put(`${SITE}/leeward.yaml`, CONFIG);
    await guest.put('/srv/counter', COUNTER, '0755');
    await guest.put('/etc/leeward/guard-erp', `GROUP=acme/berlin/erp\nNODE=${NODE}\nOPTIONS=\n`);
  });

  after(async () => {
    await guest.stop();
    await stack.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function putUnit(restart: string): Promise<void> {
    await guest.put('/etc/systemd/system/database.service', UNIT.replace('RESTART', restart), '0644');
    await guest.must('systemctl daemon-reload');
  }

  async function said(): Promise<string[]> {
    return (await guest.must('cat /srv/said 2>/dev/null || true')).split('\n').filter(Boolean);
  }

  /** How many processes of the applications there are. */
  async function lives(): Promise<number> {
    return Number(await guest.must(LIVES));
  }

  async function untilUp(starts: number): Promise<void> {
    await until('both run', async () => {
      const began = (await said()).filter((line) => line.includes(' start ')).length;
      return began === starts && (await lives()) >= 2 ? true : undefined;
    });
  }

  /** When what is armed is for, on boot time; while one takes the place of another, it is looked again. */
  async function armedMs(): Promise<number> {
    return until('one stop is armed', async () => {
      const timers = await guest.must("systemctl list-units --plain --no-legend --full 'leeward-stop-*.timer'");
      const times = [...timers.matchAll(/-(\d+)\.timer/g)];
      return times.length === 1 ? Number(times[0]?.[1]) : undefined;
    });
  }

  async function lastMs(name: string): Promise<number> {
    return 1000 * Number(await guest.must(`cat /srv/last-${name}`));
  }

  async function refuses(message: RegExp): Promise<void> {
    await until(`it refuses: ${message.source}`, async () =>
      message.test(await guest.must(`journalctl --unit=${GUARD} --output=cat --no-pager`)) ? true : undefined,
    );
    assert.equal(await lives(), 0);
  }

  /** Holds that all of it was killed at the time that was armed: not before, and hardly later. */
  async function assertKilledAt(armed: number): Promise<void> {
    await until('all of it is killed', async () => ((await lives()) === 0 ? true : undefined));
    const last = Math.max(await lastMs('database'), await lastMs('shop'));
    // It steps every 200 ms, which an emulated machine stretches.
    assert.ok(last >= armed - 3000 && last <= armed + KILL_MS, `armed for ${armed}, last step at ${last}`);
    assert.equal(
      (await said()).some((line) => line.endsWith(' end')),
      false,
      'nobody asked it to stop',
    );
  }

  test('a unit that systemd would start by itself is refused', async () => {
    await putUnit('');
    await guest.must(`systemctl enable --quiet database.service && systemctl start ${GUARD}`);
    await refuses(/database\.service starts at boot, without the lease: systemctl disable database\.service/);
    await guest.must('systemctl disable --quiet database.service');
    await putUnit('Restart=on-failure');
    await refuses(/database\.service is restarted by systemd \(Restart=on-failure\)/);
    await guest.must(`systemctl stop ${GUARD}`);
    await putUnit('');
  });

  test('unit and command start in order, with the stop armed in systemd', async () => {
    await guest.must(`systemctl start ${GUARD}`);
    await untilUp(2);
    assert.deepEqual(
      (await said()).map((line) => line.split(' ')[0]),
      ['database', 'shop'],
    );
    const armed = await armedMs();
    await until('the next lease is armed in its place', async () => ((await armedMs()) > armed ? true : undefined));
  });

  test('a killed guard stops nothing, the next one takes over', async () => {
    await guest.must(`systemctl kill --kill-whom=main --signal=KILL ${GUARD}`);
    const armed = await armedMs();
    await until('the next one arms', async () => ((await armedMs()) > armed ? true : undefined));
    await untilUp(2);
  });

  test('while the guard stands still systemd kills all of it at the end of the lease, what left its session too', async () => {
    const pid = (await guest.must(`systemctl show --property=MainPID --value ${GUARD}`)).trim();
    await guest.must(`kill -STOP ${pid}`);
    await assertKilledAt(await armedMs());
    assert.equal((await guest.run('systemctl is-active database.service')).code, 3);
    await guest.must(`rm /srv/said && kill -CONT ${pid}`);
    await untilUp(2);
  });

  test('orders go through its socket', async () => {
    const socket = `${SITE}/guards/${NODE}/erp/guard.sock`;
    assert.equal(await guest.must(`stat --format=%a:%U ${socket}`), '600:root\n');
    const script = `
      import { request } from 'node:http';
      const order = JSON.stringify({ do: 'restart', name: 'database' });
      const sent = request({ socketPath: '${socket}', path: '/order', method: 'POST' }, (answer) => {
        console.log(answer.statusCode);
        answer.resume();
      });
      sent.end(order);`;
    await guest.put('/srv/order.mjs', script);
    assert.equal(await guest.must('/opt/leeward/current/bin/node /srv/order.mjs'), '200\n');
    await untilUp(4);
    assert.deepEqual(
      (await said()).slice(-4).map((line) => line.split(' ').slice(0, 2).join(' ')),
      ['shop end', 'database end', 'database start', 'shop start'],
    );
  });

  test('a watchdog resets the machine when guard and keeper are held up, and nothing starts after that without a lease', async () => {
    await guest.must('modprobe softdog soft_margin=60 && test -e /dev/watchdog0');
    const options = 'OPTIONS=--arm watchdog --watchdog /dev/watchdog0';
    await guest.put('/etc/leeward/guard-erp', `GROUP=acme/berlin/erp\nNODE=${NODE}\n${options}\n`);
    await guest.must(`systemctl restart ${GUARD}`);
    await until('it is armed', async () =>
      (await guest.must('cat /sys/class/watchdog/watchdog0/state')).trim() === 'active' ? true : undefined,
    );
    assert.equal(await guest.must('cat /sys/class/watchdog/watchdog0/timeout'), '10\n');
    await until('systemd is not armed any more', async () =>
      (await guest.must("systemctl list-units --plain --no-legend 'leeward-stop-*.timer'")) === '' ? true : undefined,
    );
    await untilUp(4);
    const boot = await guest.must('cat /proc/sys/kernel/random/boot_id');
    // Fed over more than its time.
    await guest.must('sleep 15');
    assert.equal(await guest.must('cat /proc/sys/kernel/random/boot_id'), boot);
    await guest.must(`systemctl kill --kill-whom=all --signal=STOP ${GUARD}`);
    await until('the machine is reset', async () => {
      const now = await guest.run('cat /proc/sys/kernel/random/boot_id', { limitMs: 5000 }).catch(() => undefined);
      return now?.code === 0 && now.text !== boot ? true : undefined;
    });
    assert.equal(await lives(), 0);
  });
});
