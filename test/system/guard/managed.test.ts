/**
 * Units and containers of a guard. Containers are real where Podman is installed; systemd and Docker are scripts here
 * that note what they were asked, and answer as the real ones do: systemd itself is asked in test/guest/guard.guest.ts, Docker
 * nowhere.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { SystemClock } from '../../../src/system/clock.ts';
import { applicationsHere } from '../../../src/system/guard/applications.ts';
import type { ApplicationsHere, LaunchHere } from '../../../src/system/guard/applications.ts';
import { GuardFiles } from '../../../src/system/guard/files.ts';
import { ProcessStop } from '../../../src/system/guard/process-stop.ts';
import { TimerStop, killScript } from '../../../src/system/guard/timer-stop.ts';
import { checkUnit } from '../../../src/system/guard/units.ts';
import { bootId } from '../../../src/system/processes.ts';
import { failsWith } from '../../support/fails-with.ts';
import { endAll } from '../../support/guard-folder.ts';
import { hasTool, needs } from '../../support/tools.ts';

const clock = new SystemClock();
const never = new AbortController().signal;

async function folderOf(t: TestContext): Promise<GuardFiles> {
  const files = new GuardFiles(await mkdtemp(join(tmpdir(), 'leeward-managed-')));
  t.after(async () => {
    await endAll(files);
    // What was told last may still be written down.
    await rm(files.folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return files;
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let count = 0; !(await what()); count += 1) {
    if (count > 500) throw new Error('it never came to that');
    await sleep(20);
  }
}

async function here(files: GuardFiles, launches: readonly LaunchHere[]): Promise<ApplicationsHere> {
  const isArmed = async (): Promise<boolean> => (await files.read('armed')) !== undefined;
  return applicationsHere({ files, launches, clock, stopMs: 3000, needsControlGroups: false, isArmed });
}

async function only(files: GuardFiles, launch: LaunchHere): Promise<ApplicationsHere['applications'][number]> {
  const [application] = (await here(files, [launch])).applications;
  assert(application);
  return application;
}

/** Puts a program of this name before all others, for the length of the test. */
async function script(t: TestContext, files: GuardFiles, name: string, text: string): Promise<void> {
  const path = join(files.folder, name);
  await writeFile(path, `#!/bin/sh\ncd ${files.folder}\necho "$@" >> asked\n${text}\n`);
  await chmod(path, 0o755);
  const before = process.env['PATH'] ?? '';
  process.env['PATH'] = `${files.folder}:${before}`;
  t.after(() => {
    process.env['PATH'] = before;
  });
}

async function asked(files: GuardFiles): Promise<string[]> {
  return (await readFile(join(files.folder, 'asked'), 'utf8').catch(() => '')).split('\n').filter(Boolean);
}

/** A unit that is what `state` says, and `properties` besides. */
function systemctl(properties: string): string {
  return `[ -e state ] || echo inactive > state
case $1 in
  show) printf 'LoadState=loaded\\nActiveState=%s\\nControlGroup=\\n${properties}' "$(cat state)" ;;
  start) sleep 0.2; echo active > state ;;
  stop | kill) echo inactive > state ;;
esac`;
}

const UNIT = { name: 'database', kind: 'unit', unit: 'database.service' } as const;

suite('units, by a scripted systemctl', () => {
  test('are started, found, stopped and killed by their names', async (t) => {
    const files = await folderOf(t);
    await script(t, files, 'systemctl', systemctl('UnitFileState=disabled\\nRestart=no\\n'));
    const first = await only(files, UNIT);
    assert.equal(await first.look(), 'stopped');
    const starting = first.start(never);
    await until(async () => (await asked(files)).some((line) => line.startsWith('start')));
    assert.equal(await (await only(files, UNIT)).look(), 'running', 'while its start is under way');
    await starting;
    const next = await only(files, UNIT);
    assert.equal(await next.look(), 'running');
    next.askToStop();
    await until(async () => (await next.look()) === 'stopped');
    await first.start(never);
    first.kill();
    await until(async () => (await first.look()) === 'stopped');
    const acts = async (): Promise<string[]> => (await asked(files)).filter((line) => !line.startsWith('show'));
    await until(async () => (await acts()).length === 5);
    // The last two go side by side.
    assert.deepEqual(
      [...(await acts()).slice(0, 3), ...(await acts()).slice(3).toSorted()],
      [
        'start -- database.service',
        'stop --no-block -- database.service',
        'start -- database.service',
        ...['kill --signal=SIGKILL -- database.service', 'stop --no-block -- database.service'],
      ],
    );
  });

  test('that systemd does not start are told as that, with what to do', async (t) => {
    const files = await folderOf(t);
    await script(t, files, 'systemctl', `${systemctl('UnitFileState=disabled\\nRestart=no\\n')}\n[ $1 != start ]`);
    await assert.rejects((await only(files, UNIT)).start(never), (error) => {
      assert.match(String(error), /see systemctl status database\.service/);
      return failsWith('PLATFORM_FAILED')(error);
    });
  });

  test('that are refused and run past a guard that was here before are stopped, and others left alone', async (t) => {
    const stopsOf = async (keep: (files: GuardFiles) => Promise<void>): Promise<string[]> => {
      const files = await folderOf(t);
      await script(t, files, 'systemctl', systemctl('UnitFileState=enabled\\nRestart=no\\n'));
      await writeFile(join(files.folder, 'state'), 'active');
      await keep(files);
      await assert.rejects(here(files, [UNIT]), failsWith('REFUSED'));
      await sleep(300);
      return (await asked(files)).filter((line) => line.startsWith('stop'));
    };
    const terms = { promisedTerm: 0, seenTerm: 1 };
    const untilBootMs = clock.bootMs() + 60_000;
    assert.deepEqual(await stopsOf(async () => Promise.resolve()), [], 'before its first guard');
    const stopped = ['stop --no-block -- database.service'];
    assert.deepEqual(await stopsOf(async (files) => files.write('record', terms)), stopped, 'after a boot');
    const armed = async (files: GuardFiles): Promise<void> => {
      await files.write('record', terms);
      await files.write('armed', { boot: bootId(), untilBootMs });
    };
    assert.deepEqual(await stopsOf(armed), [], 'under a stop that is armed');
    const kept = { ...terms, kept: { boot: bootId(), term: 1 } };
    assert.deepEqual(await stopsOf(async (files) => files.write('record', kept)), [], 'under a lease that keeps');
  });

  test('that something else starts are refused, with what to do', async (t) => {
    const ways: [string, RegExp][] = [
      ['UnitFileState=enabled\\nRestart=no\\n', /starts at boot.*systemctl disable database\.service/],
      ['UnitFileState=enabled-runtime\\nRestart=no\\n', /starts at boot/],
      ['UnitFileState=disabled\\nRestart=on-failure\\n', /Restart=on-failure.*set Restart=no/],
      [
        'UnitFileState=static\\nRestart=no\\nRestartForceExitStatus=3 SIGHUP\\n',
        /restarted by systemd after an exit with 3 SIGHUP: set RestartForceExitStatus= to nothing/,
      ],
      ['UnitFileState=static\\nRestart=no\\nOnFailureOf=web.service\\n', /started by web\.service \(OnFailureOf\)/],
      ['UnitFileState=alias\\nRestart=no\\nId=mariadb.service\\n', /another name of mariadb\.service: write that/],
      ['UnitFileState=static\\nRestart=no\\nWantedBy=multi-user.target\\n', /started by multi-user\.target/],
      ['UnitFileState=static\\nRestart=no\\nTriggeredBy=database.socket\\n', /started by database\.socket/],
    ];
    for (const [properties, message] of ways) {
      const files = await folderOf(t);
      await script(t, files, 'systemctl', systemctl(properties));
      await assert.rejects(here(files, [UNIT]), (error) => {
        assert.match(String(error), message);
        return failsWith('REFUSED')(error);
      });
    }
    const files = await folderOf(t);
    await script(t, files, 'systemctl', 'printf "LoadState=not-found\\nActiveState=inactive\\n"');
    await assert.rejects(here(files, [UNIT]), failsWith('NOT_FOUND'));
  });

  test('that D-Bus starts are refused with its file, by the unit or by the name on the bus', async (t) => {
    const files = await folderOf(t);
    const said = 'Id=database.service\\nNames=database.service dbus-db.service\\nBusName=org.db\\nRestart=no\\n';
    await script(t, files, 'systemctl', systemctl(said));
    const folder = join(files.folder, 'bus');
    await mkdir(folder);
    for (const [name, text] of [
      ['others', 'Name=org.dbx\nSystemdService=shop.service\n'],
      ['by-unit', '[D-BUS Service]\nName=org.other\nSystemdService=dbus-db.service\n'],
      ['by-name', '[D-BUS Service]\nName=org.db\nExec=/bin/false\n'],
    ] as const) {
      const path = join(folder, `${name}.service`);
      await writeFile(path, text);
      const checked = checkUnit('database.service', [], ['/nowhere', folder]);
      if (name === 'others') await checked;
      else await assert.rejects(checked, (error) => String(error).includes(path) && failsWith('REFUSED')(error));
      await rm(path);
    }
  });

  test('may be needed by each other', async (t) => {
    const files = await folderOf(t);
    await script(t, files, 'systemctl', systemctl('UnitFileState=static\\nRestart=no\\nRequiredBy=shop.service\\n'));
    await assert.rejects(here(files, [UNIT]), failsWith('REFUSED'));
    await script(
      t,
      files,
      'systemctl',
      `case "$*" in *shop*) RequiredBy= ;; *) RequiredBy=shop.service ;; esac
      printf "LoadState=loaded\\nActiveState=inactive\\nUnitFileState=static\\nRestart=no\\nRequiredBy=$RequiredBy\\n"`,
    );
    assert.equal(
      (await here(files, [UNIT, { name: 'shop', kind: 'unit', unit: 'shop.service' }])).applications.length,
      2,
    );
  });

  test('are unknown while systemd does not answer', async (t) => {
    const files = await folderOf(t);
    await script(t, files, 'systemctl', systemctl('UnitFileState=disabled\\nRestart=no\\n'));
    const unit = await only(files, UNIT);
    await script(t, files, 'systemctl', 'exit 1');
    assert.equal(await unit.look(), 'unknown');
  });

  test('that are not configured any more are left over while they run, and forgotten after', async (t) => {
    const files = await folderOf(t);
    await script(t, files, 'systemctl', systemctl('UnitFileState=disabled\\nRestart=no\\n'));
    await (await only(files, UNIT)).start(never);
    const command = { name: 'database', kind: 'command', command: 'true' } as const;
    const { leftovers, applications, kills } = await here(files, [command]);
    assert.deepEqual([leftovers.length, await applications[0]?.look()], [1, 'stopped']);
    assert.deepEqual(kills().units, ['database.service'], 'it is armed for, too');
    leftovers[0]?.askToStop();
    await until(async () => (await leftovers[0]?.look()) === 'stopped');
    assert.equal((await here(files, [command])).leftovers.length, 0);
  });
});

suite('a stop armed in systemd, by a scripted one', () => {
  const SYSTEMD = `case $1 in
  --quiet) for one; do case $one in --unit=*) echo "$one" | sed 's/--unit=//; s/$/.timer loaded active waiting/' >> timers ;; esac; done ;;
  list-units) cat timers 2>/dev/null || true ;;
  stop) shift 2; for one; do sed -i "/^$one /d" timers; done ;;
esac`;

  async function armed(t: TestContext): Promise<{ files: GuardFiles; stop: TimerStop }> {
    const files = await folderOf(t);
    await script(t, files, 'systemctl', SYSTEMD);
    await script(t, files, 'systemd-run', SYSTEMD);
    const kills = { controlGroups: ['/sys/fs/cgroup/leeward-a'], units: ['b@1.service'], containers: [] };
    return { files, stop: new TimerStop({ folder: files.folder, clock, kills: () => kills }) };
  }

  test('is there before the one before it is taken away, and says itself what it is for', async (t) => {
    const { files, stop } = await armed(t);
    assert.equal(await stop.armedBootMs(), 0);
    await stop.arm(50_000_000.5);
    await stop.arm(60_000_000);
    assert.equal(await stop.armedBootMs(), 60_000_000);
    const acts = (await asked(files)).filter((line) => !line.startsWith('list-units'));
    assert.deepEqual(
      acts.map((line) => line.split(' ')[0]),
      ['--quiet', '--quiet', 'stop'],
    );
    assert.match(acts[0] ?? '', / --on-boot=\d+ms --timer-property=AccuracySec=1ms --timer-property=WakeSystem=yes /);
    assert.match(acts[2] ?? '', /-50000000\.timer$/);
    await stop.disarm();
    assert.equal(await stop.armedBootMs(), 0);
  });

  test('that systemd does not take is not armed', async (t) => {
    const { files, stop } = await armed(t);
    await script(t, files, 'systemd-run', 'exit 1');
    await assert.rejects(stop.arm(50_000_000), failsWith('UNAVAILABLE'));
    await script(t, files, 'systemd-run', 'exit 0');
    await assert.rejects(stop.arm(50_000_000), failsWith('UNAVAILABLE'));
    assert.equal(await stop.armedBootMs(), 0);
  });

  test('kills by a script in which nothing can be taken for anything else', () => {
    const kills = { controlGroups: ['/c/a'], units: ['b.service'], containers: [{ tool: 'docker', name: 'c' }] };
    assert.equal(
      killScript(kills),
      [
        "echo 1 > '/c/a/cgroup.kill' &",
        "{ systemctl kill --signal=SIGKILL -- 'b.service'; systemctl stop --no-block -- 'b.service';",
        "systemctl kill --signal=SIGKILL -- 'b.service'; } & 'docker' kill 'c' & wait",
      ].join(' '),
    );
    for (const odd of ["/c/'", '/c/$HOME', '/c/%n', '/c/ d']) {
      assert.throws(() => killScript({ ...kills, controlGroups: [odd] }), failsWith('USAGE'));
    }
  });
});

suite('containers, by a scripted docker', () => {
  /** One that is what `state` says, with this restart policy. */
  const docker = (policy: string): string => `[ -e state ] || echo created > state
case "$1 $4" in
  *RestartPolicy*) echo ${policy} ;;
  *State.Status*) cat state ;;
  *State.Pid*) echo 0123abc 0 ;;
  start*) echo running > state ;;
  stop* | kill*) echo exited > state ;;
esac`;
  const CONTAINER = { name: 'reports', kind: 'container', container: 'erp-reports', tool: 'docker' } as const;

  test('that it does not start are told as that, with what to do', async (t) => {
    const files = await folderOf(t);
    await script(t, files, 'docker', `${docker('no')}\n[ $1 != start ]`);
    await assert.rejects((await only(files, CONTAINER)).start(never), (error) => {
      assert.match(String(error), /see docker inspect erp-reports and docker logs erp-reports/);
      return failsWith('PLATFORM_FAILED')(error);
    });
  });

  test('are started, stopped and killed by their names, and refused where it starts them again', async (t) => {
    const files = await folderOf(t);
    await script(t, files, 'docker', docker('no'));
    const application = await only(files, CONTAINER);
    await application.start(never);
    assert.equal(await application.look(), 'running');
    application.askToStop();
    await until(async () => (await application.look()) === 'stopped');
    await application.start(never);
    application.kill();
    await until(async () => (await application.look()) === 'stopped');
    const acts = (await asked(files)).filter((line) => !line.startsWith('container inspect'));
    assert.deepEqual(acts, ['start erp-reports', 'stop -t 63 erp-reports', 'start erp-reports', 'kill erp-reports']);
    await script(t, files, 'docker', docker('unless-stopped'));
    await assert.rejects(here(files, [CONTAINER]), (error) => {
      assert.match(String(error), /docker update --restart=no erp-reports/);
      return failsWith('REFUSED')(error);
    });
  });

  test('are unknown while it does not answer', async (t) => {
    const files = await folderOf(t);
    await script(t, files, 'docker', docker('no'));
    const application = await only(files, CONTAINER);
    await script(t, files, 'docker', 'echo Cannot connect to the Docker daemon >&2; exit 1');
    assert.equal(await application.look(), 'unknown');
    await script(t, files, 'docker', 'echo No such container: erp-reports >&2; exit 1');
    assert.equal(await application.look(), 'stopped');
  });
});

/** The name of its image, and of each container's beginning, so that none is left. */
const IMAGE = `leeward-test-${process.pid}`;
const podman = async (...args: string[]): Promise<string> => (await promisify(execFile)('podman', args)).stdout.trim();

suite('containers, by Podman', needs('podman', 'busybox', 'tar'), () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leeward-podman-'));
    const busybox = (await promisify(execFile)('sh', ['-c', 'command -v busybox'])).stdout.trim();
    await promisify(execFile)('tar', ['-chf', join(folder, 'image.tar'), '-C', '/', busybox.slice(1)]);
    await podman('import', '--quiet', join(folder, 'image.tar'), IMAGE);
  });

  after(async () => {
    await podman(
      'rm',
      '--force',
      '--time',
      '0',
      ...['orderly', 'stubborn', 'again'].map((name) => `${IMAGE}-${name}`),
    ).catch(() => undefined);
    await podman('rmi', '--force', IMAGE).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  });

  /** A container that runs this in busybox's shell. */
  async function made(name: string, text: string, more: readonly string[] = []): Promise<LaunchHere> {
    const busybox = (await promisify(execFile)('sh', ['-c', 'command -v busybox'])).stdout.trim();
    const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1000:1000'];
    const runtime = hasTool('runc') ? ['--runtime', 'runc'] : [];
    await podman(
      ...[...runtime, 'create', '--name', `${IMAGE}-${name}`, '--network', 'none', ...limits, ...more, IMAGE],
      ...[busybox, 'sh', '-c', text],
    );
    return { name, kind: 'container', container: `${IMAGE}-${name}`, tool: 'podman' };
  }

  test('are started, found by the next guard, and stopped in order', async (t) => {
    const files = await folderOf(t);
    const run = await made('orderly', 'trap "exit 7" TERM; while :; do busybox sleep 0.1; done');
    const first = await only(files, run);
    assert.equal(await first.look(), 'stopped');
    await first.start(never);
    const next = await only(files, run);
    assert.equal(await next.look(), 'running');
    next.askToStop();
    await until(async () => (await next.look()) === 'stopped');
    await until(async () => (await podman('inspect', '--format', '{{.State.ExitCode}}', `${IMAGE}-orderly`)) === '7');
  });

  test('are killed by what is armed outside, at its time', async (t) => {
    const files = await folderOf(t);
    const run = await made('stubborn', 'trap "" TERM; while :; do busybox sleep 0.1; done');
    const application = await only(files, run);
    const stop = new ProcessStop(files, clock);
    const untilBootMs = clock.bootMs() + 4000;
    await stop.arm(untilBootMs);
    await application.start(never);
    application.askToStop();
    await until(async () => (await application.look()) === 'stopped');
    assert.ok(clock.bootMs() >= untilBootMs - 10);
  });

  test('that their engine starts again are refused, and those that are not there', async (t) => {
    const files = await folderOf(t);
    const run = await made('again', 'true', ['--restart', 'always']);
    await assert.rejects(here(files, [run]), failsWith('REFUSED'));
    const none = { name: 'none', kind: 'container', container: `${IMAGE}-none`, tool: 'podman' } as const;
    await assert.rejects(here(files, [none]), failsWith('NOT_FOUND'));
  });
});
