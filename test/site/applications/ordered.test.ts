/** A group's applications in order: time and the applications themselves are played. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { LeewardError, describeError } from '../../../src/kernel/errors.ts';
import type { KeptApplication, KeptApplications } from '../../../src/ports/kept-applications.ts';
import type { GuardOrder } from '../../../src/ports/guard-desk.ts';
import { OrderedApplications } from '../../../src/site/applications/ordered.ts';
import { failsWith } from '../../support/fails-with.ts';
import { MemoryApplication } from '../../support/memory/application.ts';
import { ManualClock } from '../../support/memory/clock.ts';
import { WakingClock } from '../../support/memory/waking-clock.ts';

const TIMES = { stopMs: 3000, killMs: 500 };
/** A shop on an API on a database, and a mailer that nothing needs. */
const DEPENDENTS = [
  { name: 'shop', dependsOn: ['api'] },
  { name: 'api', dependsOn: ['database'] },
  { name: 'database', dependsOn: [] },
  { name: 'mail', dependsOn: [] },
];

class Node implements KeptApplications {
  readonly clock = new WakingClock(new ManualClock());
  /** `+` started, `-` ended when it was asked to, `!` killed; `mark` where a mark came to be durable. */
  readonly happened: string[] = [];
  readonly lines: string[] = [];
  marks: ReadonlyMap<string, KeptApplication> = new Map();
  mayStart = true;
  isFull = false;
  readonly all = new Map(
    DEPENDENTS.map(({ name }) => [name, new MemoryApplication(name, this.clock, this.happened)] as const),
  );

  of(name: string): MemoryApplication {
    const found = this.all.get(name);
    assert(found);
    return found;
  }

  async open(leftovers: readonly MemoryApplication[] = []): Promise<OrderedApplications> {
    return OrderedApplications.open({
      applications: [...this.all.values()],
      dependents: DEPENDENTS,
      leftovers,
      kept: this,
      clock: this.clock,
      times: TIMES,
      whyNotStarted: () => (this.mayStart ? undefined : 'no lease is held'),
      tell: (line) => this.lines.push(line),
    });
  }

  /** All of it, started by the guard. */
  async up(): Promise<OrderedApplications> {
    const applications = await this.open();
    await applications.beginStart();
    await this.pass(1000);
    assert.deepEqual(this.running(), ['shop', 'api', 'database', 'mail']);
    this.happened.length = 0;
    return applications;
  }

  running(): string[] {
    return [...this.all.values()].filter(({ runs }) => runs).map(({ name }) => name);
  }

  async pass(ms: number): Promise<void> {
    await this.clock.passUntil(this.clock.sleep(ms));
  }

  async order(applications: OrderedApplications, order: GuardOrder): Promise<void> {
    await this.clock.passUntil(applications.order(order));
  }

  async read(): Promise<ReadonlyMap<string, KeptApplication>> {
    return this.marks;
  }

  async write(marks: ReadonlyMap<string, KeptApplication>): Promise<void> {
    if (this.isFull) throw new LeewardError('UNAVAILABLE', 'no space left');
    this.marks = new Map(marks);
    this.happened.push('mark');
  }
}

/** Without the marks. */
function acts(happened: readonly string[]): string[] {
  return happened.filter((what) => what !== 'mark');
}

suite('applications in order', () => {
  test('start after what they depend on, and stop before it', async () => {
    const node = new Node();
    const applications = await node.open();
    for (const one of node.all.values()) one.startsAfterMs = 200;
    await applications.beginStart();
    await node.pass(1000);
    assert.deepEqual(acts(node.happened), ['+database', '+mail', '+api', '+shop']);
    node.happened.length = 0;
    applications.askToStop(node.clock.bootMs() + 3000);
    assert.equal(await node.clock.passUntil(applications.gone()), 'nothing of it is left');
    assert.deepEqual(acts(node.happened), ['-shop', '-api', '-database', '-mail']);
  });

  test('one that does not end is killed after its share of the time, and those after it have theirs', async () => {
    const node = new Node();
    const applications = await node.up();
    node.of('shop').endsAfterMs = undefined;
    node.of('database').endsAfterMs = 900;
    const fromBootMs = node.clock.bootMs();
    applications.askToStop(fromBootMs + 3000);
    await node.clock.passUntil(applications.gone());
    assert.deepEqual(acts(node.happened), ['!shop', '-api', '-mail', '-database']);
    assert.ok(node.clock.bootMs() - fromBootMs < 3000);
    assert.match(node.lines.join('\n'), /shop: did not end in its share of the time: killed/);
  });

  test('what is killed is killed again until nothing is left, and only then it is gone', async () => {
    const node = new Node();
    const applications = await node.up();
    node.of('api').isStuck = true;
    applications.kill();
    const gone = applications.gone();
    let isGone = false;
    void gone.then(() => (isGone = true));
    await node.pass(2000);
    assert.equal(isGone, false);
    node.of('api').isStuck = false;
    await node.clock.passUntil(gone);
    assert.deepEqual(node.running(), []);
  });

  test('what takes no signal is told once, keeps none of the others, and counts as running', async () => {
    const node = new Node();
    const applications = await node.up();
    node.of('shop').isDenied = true;
    applications.askToStop(node.clock.bootMs() + 3000);
    await node.pass(3000);
    applications.kill();
    let isGone = false;
    const gone = applications.gone().then(() => (isGone = true));
    await node.pass(2000);
    assert.deepEqual(node.running(), ['shop']);
    assert.equal(isGone, false);
    const told = node.lines.filter((line) => line.startsWith('shop: not'));
    assert.deepEqual(told, ['shop: not asked to end: it takes no signal', 'shop: not killed: it takes no signal']);
    node.of('shop').isDenied = false;
    await node.clock.passUntil(gone);
  });

  test('who leaves while all of it is being stopped goes on until it is', async () => {
    const node = new Node();
    const applications = await node.up();
    applications.askToStop(node.clock.bootMs() + 3000);
    await node.clock.passUntil(applications.leave());
    assert.deepEqual(node.running(), []);
  });

  test('a stop interrupts a start, and nothing of it begins any more', async () => {
    const node = new Node();
    const applications = await node.open();
    node.of('database').startsAfterMs = 500;
    await applications.beginStart();
    await node.pass(100);
    applications.askToStop(node.clock.bootMs() + 3000);
    await node.clock.passUntil(applications.gone());
    await node.pass(5000);
    assert.deepEqual(acts(node.happened), ['+mail', '-mail']);
    await assert.rejects(node.order(applications, { do: 'start', name: 'shop' }), failsWith('REFUSED'));
    await applications.beginStart();
    await node.pass(2000);
    assert.deepEqual(node.running(), ['shop', 'api', 'database', 'mail'], 'the next start is a new one');
  });

  test('a start that is under way is waited for, since it may still come', async () => {
    const node = new Node();
    const applications = await node.open();
    const late = Promise.withResolvers<undefined>();
    // As a container engine does: what it was told once goes on whatever happens here.
    node.of('database').start = async () => {
      await late.promise;
      node.of('database').runs = true;
    };
    await applications.beginStart();
    await node.pass(100);
    applications.askToStop(node.clock.bootMs() + 1000);
    applications.kill();
    let isGone = false;
    const gone = applications.gone().then(() => (isGone = true));
    await node.pass(5000);
    assert.equal(isGone, false);
    late.resolve(undefined);
    await node.clock.passUntil(gone);
    assert.deepEqual(node.running(), []);
  });

  test('what cannot be started keeps back what depends on it, and nothing else', async () => {
    const node = new Node();
    const applications = await node.open();
    node.of('api').startsAfterMs = undefined;
    await applications.beginStart();
    await node.pass(1000);
    assert.deepEqual(node.running(), ['database', 'mail']);
    assert.match(node.lines.join('\n'), /shop: not started: it needs api/);
    node.of('api').startsAfterMs = 0;
    await node.order(applications, { do: 'restart', name: 'api' });
    assert.deepEqual(node.running(), ['shop', 'api', 'database', 'mail']);
  });

  test('what ends by itself stays ended, all of it too, until it is ordered', async () => {
    const node = new Node();
    const applications = await node.up();
    let isGone = false;
    void applications.gone().then(() => (isGone = true));
    for (const one of node.all.values()) one.die();
    await node.pass(10_000);
    assert.deepEqual([node.running(), isGone], [[], false]);
    await node.order(applications, { do: 'restart', name: 'database' });
    assert.deepEqual(node.running(), ['shop', 'api', 'database']);
  });

  test('of which nobody knows whether it runs is started, and not gone before that is known', async () => {
    const node = new Node();
    const applications = await node.open();
    node.of('database').isHidden = true;
    await applications.beginStart();
    await node.pass(1000);
    assert.deepEqual(node.running(), ['shop', 'api', 'database', 'mail']);
    applications.askToStop(node.clock.bootMs() + 3000);
    const gone = applications.gone();
    let isGone = false;
    void gone.then(() => (isGone = true));
    await node.pass(10_000);
    assert.deepEqual([node.running(), isGone], [[], false]);
    node.of('database').isHidden = false;
    await node.clock.passUntil(gone);
  });

  test('is taken over, leftovers are asked to end, and nothing is started by that', async () => {
    const node = new Node();
    for (const one of node.all.values()) one.runs = true;
    node.of('mail').die();
    const old = new MemoryApplication('old', node.clock, node.happened);
    old.runs = true;
    const applications = await node.open([old]);
    assert.equal(await applications.takeOver(), true);
    await node.pass(1000);
    assert.deepEqual(acts(node.happened), ['-old']);
    await node.order(applications, { do: 'restart', name: 'mail' });
    assert.deepEqual(acts(node.happened), ['-old', '+mail']);
  });
});

suite('an order', () => {
  test('restarts one with what depends on it, in order, and counts the starts', async () => {
    const node = new Node();
    const applications = await node.up();
    await node.order(applications, { do: 'restart', name: 'api' });
    assert.deepEqual(acts(node.happened), ['-shop', '-api', '+api', '+shop']);
    const status = new Map((await applications.status()).map((one) => [one.name, one]));
    assert.deepEqual(
      DEPENDENTS.map(({ name }) => [name, status.get(name)?.state, status.get(name)?.starts]),
      [
        ['shop', 'running', 2],
        ['api', 'running', 2],
        ['database', 'running', 1],
        ['mail', 'running', 1],
      ],
    );
    assert.equal(status.get('api')?.startedBootMs, node.marks.get('api')?.startedBootMs);
  });

  test('equal ones that wait are carried out once, others one after the other', async () => {
    const node = new Node();
    const applications = await node.up();
    const restart = { do: 'restart', name: 'mail' } as const;
    const orders = [restart, restart, { do: 'restart', name: 'shop' } as const].map(async (one) =>
      applications.order(one),
    );
    await node.clock.passUntil(Promise.all(orders));
    assert.deepEqual(acts(node.happened), ['-mail', '+mail', '-shop', '+shop']);
  });

  test('marks durably before it stops, and only a start clears that', async () => {
    const node = new Node();
    const applications = await node.up();
    await node.order(applications, { do: 'offline', name: 'api', untilWallMs: 5 });
    assert.deepEqual(node.happened, ['mark', '-shop', '-api']);
    assert.deepEqual(node.marks.get('api')?.offline, { untilWallMs: 5 });
    await assert.rejects(node.order(applications, { do: 'restart', name: 'api' }), failsWith('REFUSED'));
    await assert.rejects(node.order(applications, { do: 'restart', name: 'shop' }), failsWith('REFUSED'));
    const state = async (name: string): Promise<unknown> =>
      (await applications.status()).find((one) => one.name === name)?.state;
    assert.deepEqual([await state('api'), await state('shop')], ['offline', 'stopped']);
    applications.askToStop(node.clock.bootMs() + 3000);
    await node.clock.passUntil(applications.gone());
    const next = await node.open();
    await next.beginStart();
    await node.pass(1000);
    assert.deepEqual(node.running(), ['database', 'mail'], 'it outlives the guard and the lease');
    await node.order(next, { do: 'start', name: 'api' });
    assert.deepEqual(node.running(), ['shop', 'api', 'database', 'mail']);
    assert.equal(node.marks.get('api')?.offline, undefined);
  });

  test('to take it offline is heeded in the midst of its start, and while nothing runs', async () => {
    const node = new Node();
    const applications = await node.open();
    await node.order(applications, { do: 'offline', name: 'mail', untilWallMs: undefined });
    node.of('database').startsAfterMs = 500;
    await applications.beginStart();
    await node.pass(100);
    const offline = applications.order({ do: 'offline', name: 'shop', untilWallMs: undefined });
    await node.clock.passUntil(offline);
    await node.pass(1000);
    assert.deepEqual(node.running(), ['api', 'database']);
  });

  test('to take it offline is the last word, over a start that was ordered before and waits', async () => {
    const node = new Node();
    const applications = await node.up();
    node.of('mail').endsAfterMs = 2000;
    const said: string[] = [];
    const order = (one: GuardOrder): Promise<unknown> =>
      applications.order(one).then(
        () => said.push(one.do),
        (error: unknown) => said.push(`${one.do}: ${describeError(error)}`),
      );
    const orders = [order({ do: 'restart', name: 'mail' }), order({ do: 'start', name: 'mail' })];
    await node.pass(500);
    orders.push(order({ do: 'offline', name: 'mail', untilWallMs: undefined }));
    await node.clock.passUntil(Promise.all(orders));
    assert.equal(node.of('mail').runs, false);
    assert.deepEqual(node.marks.get('mail')?.offline, { untilWallMs: undefined });
    assert(
      said.some((line) => /^start: .*taken offline after this start was ordered/.test(line)),
      said.join(),
    );
    await assert.rejects(node.order(applications, { do: 'restart', name: 'mail' }), failsWith('REFUSED'));
  });

  test('to take it offline a second time is no repetition once a start was ordered in between', async () => {
    const node = new Node();
    const applications = await node.up();
    node.of('mail').endsAfterMs = 2000;
    const offline = { do: 'offline', name: 'mail', untilWallMs: undefined } as const;
    const orders: Promise<unknown>[] = [];
    for (const one of [offline, { do: 'start', name: 'mail' } as const, offline]) {
      orders.push(applications.order(one).catch(() => undefined));
      await node.pass(200);
    }
    await node.clock.passUntil(Promise.all(orders));
    await node.pass(10_000);
    assert.equal(node.of('mail').runs, false);
    assert.notEqual(node.marks.get('mail')?.offline, undefined);
  });

  test('to take it offline outlives a count of starts that cannot be written', async () => {
    const node = new Node();
    const applications = await node.up();
    const { promise, reject } = Promise.withResolvers<undefined>();
    const write = node.write.bind(node);
    // The next write, which is the count, hangs until the mark is written, and fails then.
    node.write = async () => {
      node.write = write;
      await promise;
    };
    const restart = applications.order({ do: 'restart', name: 'mail' }).catch(() => undefined);
    await node.pass(200);
    await node.order(applications, { do: 'offline', name: 'mail', untilWallMs: 7 }).catch(() => undefined);
    reject(new LeewardError('UNAVAILABLE', 'no space left'));
    await node.clock.passUntil(restart);
    await node.pass(1000);
    await assert.rejects(node.order(applications, { do: 'restart', name: 'mail' }), failsWith('REFUSED'));
    await node.order(applications, { do: 'restart', name: 'shop' });
    assert.deepEqual(node.marks.get('mail')?.offline, { untilWallMs: 7 });
  });

  test('whose mark cannot be written changes nothing', async () => {
    const node = new Node();
    const applications = await node.up();
    node.isFull = true;
    const offline = { do: 'offline', name: 'mail', untilWallMs: undefined } as const;
    await assert.rejects(node.order(applications, offline), failsWith('UNAVAILABLE'));
    node.isFull = false;
    await node.order(applications, { do: 'restart', name: 'mail' });
    assert.equal(node.of('mail').runs, true);
  });

  test('starts nothing while the lease is in doubt, and goes on when it is sure again', async () => {
    const node = new Node();
    const applications = await node.up();
    node.mayStart = false;
    await assert.rejects(node.order(applications, { do: 'restart', name: 'mail' }), failsWith('REFUSED'));
    assert.equal(node.of('mail').runs, true, 'it was not even stopped');
    node.mayStart = true;
    node.of('mail').endsAfterMs = 1000;
    const restart = applications.order({ do: 'restart', name: 'mail' });
    await node.pass(500);
    node.mayStart = false;
    await node.pass(5000);
    assert.equal(node.of('mail').runs, false);
    node.mayStart = true;
    await node.clock.passUntil(restart);
    assert.equal(node.of('mail').runs, true);
  });

  test('is finished by a guard that ends, where that is allowed; what waits is refused, and nothing is waited for in vain', async () => {
    for (const isAllowed of [true, false]) {
      const node = new Node();
      const applications = await node.up();
      const said: string[] = [];
      const order = (name: string): void => {
        const told = (error: unknown): number => said.push(describeError(error));
        void applications.order({ do: 'restart', name }).then(() => said.push('done'), told);
      };
      order('api');
      order('mail');
      await node.pass(50);
      node.mayStart = isAllowed;
      await node.clock.passUntil(applications.leave());
      await node.pass(0);
      assert.deepEqual(acts(node.happened), isAllowed ? ['-shop', '-api', '+api', '+shop'] : ['-shop', '-api']);
      const [first = '', second = ''] = said;
      assert.match(first, isAllowed ? /^done$/ : /api is not started: no lease is held/);
      assert.match(second, /the guard ends/);
    }
  });

  test('is interrupted by a stop of all, and starts nothing after it', async () => {
    const node = new Node();
    const applications = await node.up();
    node.of('shop').endsAfterMs = 500;
    const restart = applications.order({ do: 'restart', name: 'api' });
    restart.catch(() => undefined);
    await node.pass(200);
    applications.askToStop(node.clock.bootMs() + 3000);
    await node.clock.passUntil(applications.gone());
    await assert.rejects(restart, failsWith('REFUSED'));
    await node.pass(5000);
    assert.equal(
      acts(node.happened).some((what) => what.startsWith('+')),
      false,
    );
  });

  test('kills what does not end in time, and says what cannot even be killed', async () => {
    const node = new Node();
    const applications = await node.up();
    node.of('mail').endsAfterMs = undefined;
    await node.order(applications, { do: 'restart', name: 'mail' });
    assert.deepEqual(acts(node.happened), ['!mail', '+mail']);
    node.of('mail').isStuck = true;
    await assert.rejects(node.order(applications, { do: 'restart', name: 'mail' }), failsWith('UNAVAILABLE'));
  });

  test('for what is not there, or cannot be started, is told', async () => {
    const node = new Node();
    const applications = await node.up();
    await assert.rejects(node.order(applications, { do: 'restart', name: 'nobody' }), failsWith('NOT_FOUND'));
    node.of('mail').startsAfterMs = undefined;
    await assert.rejects(node.order(applications, { do: 'restart', name: 'mail' }), failsWith('PLATFORM_FAILED'));
  });
});
