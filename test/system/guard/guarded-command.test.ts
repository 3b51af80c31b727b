/** What a guard starts, and what stops it from outside: real processes. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { SystemClock } from '../../../src/system/clock.ts';
import { lockFolder, unlockFolder } from '../../../src/system/folder-lock.ts';
import { CommandApplication } from '../../../src/system/guard/command-application.ts';
import { hasControlGroups } from '../../../src/system/guard/control-groups.ts';
import { GuardFiles } from '../../../src/system/guard/files.ts';
import { HandleFile } from '../../../src/system/guard/handle-file.ts';
import { ProcessStop } from '../../../src/system/guard/process-stop.ts';
import { GuardRecordFile } from '../../../src/system/guard/record-file.ts';
import { bootId, isRunning, markOf } from '../../../src/system/processes.ts';
import { failsWith } from '../../support/fails-with.ts';
import { endAll } from '../../support/guard-folder.ts';
import { needsThat } from '../../support/tools.ts';

const clock = new SystemClock();
const never = new AbortController().signal;

/** A folder of a guard; whatever runs in it, and what stops it from outside, ends with the test. */
async function folderOf(t: TestContext): Promise<GuardFiles> {
  const files = new GuardFiles(await mkdtemp(join(tmpdir(), 'leeward-guard-')));
  t.after(async () => {
    await endAll(files);
    await rm(files.folder, { recursive: true, force: true });
  });
  return files;
}

/** An application that is this command, as a process that begins finds it. */
async function opened(files: GuardFiles, command: string): Promise<CommandApplication> {
  const handles = await HandleFile.open(files);
  return new CommandApplication({ files, handles, name: 'main', command, clock, needsControlGroup: false });
}

async function gone(application: CommandApplication): Promise<void> {
  await until(async () => (await application.look()) === 'stopped');
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let count = 0; !(await what()); count += 1) {
    if (count > 500) throw new Error('it never came to that');
    await sleep(20);
  }
}

test('what one process started is found, stopped in order, and over with all that it started', async (t) => {
  const files = await folderOf(t);
  const mark = join(files.folder, 'mark');
  // It ends in order only after its own child did.
  const script = `trap 'echo ended > ${mark}; exit 0' TERM; sleep 1000 & echo began > ${mark}; while :; do sleep 0.05; done`;
  const first = await opened(files, script);
  assert.equal(await first.look(), 'stopped');
  await first.start(never);
  await until(() => existsSync(mark));
  const next = await opened(files, script);
  assert.equal(await next.look(), 'running');
  next.askToStop();
  await until(async () => (await readFile(mark, 'utf8')) === 'ended\n');
  // What it left behind is part of it.
  next.kill();
  await gone(next);
  assert.equal(await first.look(), 'stopped');
});

test('what is started at once after a stop is not asked to stop by that', async (t) => {
  const files = await folderOf(t);
  const application = await opened(files, `trap 'exit 0' TERM; while :; do sleep 0.02; done`);
  for (let round = 0; round < 4; round += 1) {
    await application.start(never);
    // Longer than whoever stopped the one before looks whether that is over.
    await sleep(200);
    assert.equal(await application.look(), 'running', `round ${round}`);
    application.askToStop();
    while ((await application.look()) !== 'stopped') await sleep(1);
  }
});

test('what cannot be started is told, and what ends by itself is over', async (t) => {
  const files = await folderOf(t);
  const short = await opened(files, '/bin/true');
  await short.start(never);
  await gone(short);
  assert.equal(await short.look(), 'stopped');
  const lost = new GuardFiles(join(files.folder, 'not-there'));
  await assert.rejects((await opened(lost, '/bin/true')).start(never), failsWith('PLATFORM_FAILED'));
});

test('a starter that dies before its command is on record leaves nothing that runs', async (t) => {
  const files = await folderOf(t);
  const mark = join(files.folder, 'mark');
  const applications = await opened(files, `echo ran > ${mark}; sleep 1000`);
  const dies = `files.write = () => { process.kill(process.pid, 'SIGKILL'); return new Promise(() => undefined); };`;
  await beginning(files.folder, `echo ran > ${mark}; sleep 1000`, `${dies} await application.start(never);`);
  await sleep(300);
  assert.equal(existsSync(mark), false);
  assert.equal(await applications.look(), 'stopped');
});

/** A module, as another process imports it. */
function at(path: string): string {
  return JSON.stringify(new URL(`../../../src/system/${path}`, import.meta.url).href);
}

/** A process that begins as a guard does with its command, and goes on as `rest` says. */
async function beginning(folder: string, command: string, rest: string): Promise<void> {
  const text = `
    import { CommandApplication } from ${at('guard/command-application.ts')};
    import { GuardFiles } from ${at('guard/files.ts')};
    import { HandleFile } from ${at('guard/handle-file.ts')};
    import { ProcessStop } from ${at('guard/process-stop.ts')};
    import { SystemClock } from ${at('clock.ts')};
    const files = new GuardFiles(${JSON.stringify(folder)});
    const handles = await HandleFile.open(files);
    const command = ${JSON.stringify(command)};
    const clock = new SystemClock();
    const application = new CommandApplication({ files, handles, name: 'main', command, clock, needsControlGroup: false });
    const never = new AbortController().signal;
    ${rest}
  `;
  const begun = spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: 'inherit' });
  await once(begun, 'exit');
  assert.equal(begun.signalCode, 'SIGKILL');
}

test('what is aborted before it may go never begins', async (t) => {
  const files = await folderOf(t);
  const mark = join(files.folder, 'mark');
  const application = await opened(files, `echo ran > ${mark}`);
  const ending = new AbortController();
  const write = files.write.bind(files);
  files.write = async (...what) => {
    await write(...what);
    ending.abort(new Error('interrupted'));
  };
  await assert.rejects(application.start(ending.signal), /interrupted/);
  await gone(application);
  assert.equal(existsSync(mark), false);
});

const CONTROL_GROUPS = needsThat(hasControlGroups(), 'needs control groups (cgroup v2) that may be made here');

test(
  'what a command starts in a session of its own is part of it: asked to end last, and killed with it',
  CONTROL_GROUPS,
  async (t) => {
    const files = await folderOf(t);
    const mark = join(files.folder, 'mark');
    const away = (trap: string): string =>
      `setsid /bin/sh -c '${trap} echo $$ >> ${mark}; while :; do sleep 0.05; done' &`;
    const application = await opened(files, `${away('trap "" TERM;')} ${away('')} sleep 1000`);
    await application.start(never);
    const pids = async (): Promise<string[]> =>
      (await readFile(mark, 'utf8').catch(() => '')).split('\n').filter(Boolean);
    await until(async () => (await pids()).length === 2);
    application.askToStop();
    const lives = async (): Promise<number> => (await pids()).filter((pid) => markOf(Number(pid))).length;
    await until(async () => (await lives()) === 1);
    assert.equal(await application.look(), 'running', 'one of them heeds no signal');
    application.kill();
    await gone(application);
    assert.equal(await lives(), 0);
  },
);

test('what is armed outside kills, never before its time, and a later arming takes its place', async (t) => {
  const files = await folderOf(t);
  const applications = await opened(files, 'exec sleep 1000');
  const stop = new ProcessStop(files, clock);
  assert.equal(await stop.armedBootMs(), 0);
  const firstBootMs = clock.bootMs() + 1500;
  await stop.arm(firstBootMs);
  assert.equal(await stop.armedBootMs(), firstBootMs);
  await applications.start(never);
  const lastBootMs = firstBootMs + 1000;
  await stop.arm(lastBootMs);
  const goneBootMs = gone(applications).then(() => clock.bootMs());
  assert.ok((await goneBootMs) >= lastBootMs - 10, 'boot time has steps of ten milliseconds');
});

test('it kills what the guard has started when that was killed, and what ignores every signal that can be ignored', async (t) => {
  const files = await folderOf(t);
  const mark = join(files.folder, 'mark');
  const script = `trap '' TERM INT HUP; echo began > ${mark}; sleep 1000`;
  const arms = 'const untilBootMs = clock.bootMs() + 5000; await new ProcessStop(files, clock).arm(untilBootMs);';
  const starts = `await application.start(never); process.kill(process.pid, 'SIGKILL');`;
  await beginning(files.folder, script, `${arms} ${starts}`);
  const stubborn = await opened(files, script);
  await until(() => existsSync(mark));
  stubborn.askToStop();
  await sleep(200);
  assert.equal(await stubborn.look(), 'running');
  await gone(stubborn);
  const said = await files.read('keeper');
  assert(said && isRunning(said.keeper), 'it goes on for what is armed next');
});

test('asked to end, it goes on while something runs or a guard is there, and not until the end that is armed', async (t) => {
  const files = await folderOf(t);
  await new ProcessStop(files, clock).arm(clock.bootMs() + 60_000);
  const application = await opened(files, 'exec sleep 1000');
  await application.start(never);
  await lockFolder(files.folder, 'for the test');
  const said = await files.read('keeper');
  assert(said);
  process.kill(said.keeper.pid, 'SIGTERM');
  await sleep(1500);
  assert(isRunning(said.keeper), 'something runs');
  application.kill();
  await gone(application);
  await sleep(1000);
  assert(isRunning(said.keeper), 'a guard is there');
  await unlockFolder(files.folder);
  await until(() => !isRunning(said.keeper));
});

test('after what stops from outside has died, nothing counts as armed, and the next arming starts another', async (t) => {
  const files = await folderOf(t);
  const stop = new ProcessStop(files, clock);
  const untilBootMs = clock.bootMs() + 60_000;
  await stop.arm(untilBootMs);
  const said = await files.read('keeper');
  assert(said);
  process.kill(said.keeper.pid, 'SIGKILL');
  await until(async () => (await stop.armedBootMs()) === 0);
  await stop.arm(untilBootMs + 1);
  assert.equal(await stop.armedBootMs(), untilBootMs + 1);
});

test('what is armed in another boot is nothing', async (t) => {
  const files = await folderOf(t);
  const stop = new ProcessStop(files, clock);
  await stop.arm(clock.bootMs() + 60_000);
  await files.write('armed', { boot: 'another', untilBootMs: clock.bootMs() + 60_000 });
  assert.equal(await stop.armedBootMs(), 0);
});

test('what is armed outside kills in time though it cannot be read any more what is armed', async (t) => {
  const files = await folderOf(t);
  const application = await opened(files, 'exec sleep 1000');
  await new ProcessStop(files, clock).arm(clock.bootMs() + 2000);
  await application.start(never);
  await writeFile(files.path('armed'), 'x');
  await gone(application);
});

test('what keeps the guard from looking after the stop outside is told once, and tried again', async (t) => {
  const files = await folderOf(t);
  const ending = new AbortController();
  const lines: string[] = [];
  await writeFile(files.path('armed'), 'x');
  const watching = new ProcessStop(files, clock).watch(ending.signal, (line) => lines.push(line));
  await until(() => lines.length > 0);
  await sleep(1500);
  assert.match(lines.join('; '), /^the stop outside: [^;]*armed\.json[^;]*$/);
  await files.write('armed', { boot: bootId(), untilBootMs: clock.bootMs() + 60_000 });
  await until(async () => (await files.read('keeper')) !== undefined);
  ending.abort();
  await watching;
  assert.equal(lines[1], 'the stop outside: well again');
});

/** What a process says that looks at what runs, or kills it, after it has lost a power of its own. */
async function saidWithout(power: string, application: CommandApplication): Promise<string> {
  const program = `
    import { openSync } from 'node:fs';
    import { killThing, lookAt } from ${at('guard/handle.ts')};
    const handle = ${JSON.stringify(application.handle)};
    await lookAt(handle);
    ${power}
    let said = 'killed';
    try {
      killThing(handle);
    } catch (error) {
      said = error.code;
    }
    console.log(await lookAt(handle), said);
  `;
  const few = ['-c', 'ulimit -n 64; exec "$@"', 'few', process.execPath, '--input-type=module', '-e', program];
  return (await promisify(execFile)('/bin/sh', few)).stdout;
}

test('what runs is never taken for gone by a process that may open no file any more', async (t) => {
  const application = await opened(await folderOf(t), 'exec sleep 1000');
  await application.start(never);
  const noFiles = 'try { for (;;) openSync("/dev/null"); } catch {}';
  assert.equal(await saidWithout(noFiles, application), 'unknown UNAVAILABLE\n');
});

const ROOT = needsThat(process.getuid?.() === 0, 'needs root, to be somebody else for once');

test('what belongs to somebody else and takes no signal is told, and runs on', ROOT, async (t) => {
  const application = await opened(await folderOf(t), 'exec sleep 1000');
  await application.start(never);
  const alone = 'delete handle.controlGroup; process.setuid(65534);';
  assert.equal(await saidWithout(alone, application), 'running DENIED\n');
});

test('what cannot be written is a trouble that may pass, not the end of the guard', async (t) => {
  const lost = new GuardFiles(join((await folderOf(t)).folder, 'not-there'));
  const record = new GuardRecordFile(lost).write({ promisedTerm: 1, seenTerm: 1, keptTerm: 0 });
  await assert.rejects(record, failsWith('UNAVAILABLE'));
  await assert.rejects(new ProcessStop(lost, clock).arm(clock.bootMs() + 60_000), failsWith('UNAVAILABLE'));
});

test("a guard's record is what was written last, zeros before that, and never guessed", async (t) => {
  const files = await folderOf(t);
  const record = new GuardRecordFile(files);
  assert.deepEqual(await record.read(), { promisedTerm: 0, seenTerm: 0, keptTerm: 0 });
  await record.write({ promisedTerm: 3, seenTerm: 4, keptTerm: 4 });
  assert.deepEqual(await new GuardRecordFile(files).read(), { promisedTerm: 3, seenTerm: 4, keptTerm: 4 });
  await files.write('record', { promisedTerm: 3, seenTerm: 4, kept: { boot: 'another', term: 4 } });
  assert.deepEqual(await record.read(), { promisedTerm: 3, seenTerm: 4, keptTerm: 0 }, 'of another boot');
  await writeFile(files.path('record'), '{"promisedTerm": -1}');
  await assert.rejects(record.read(), failsWith('DOCUMENT_INVALID'));
});
