/**
 * A guard: carries out what {@link nextAction} says about one group's applications on this node.
 *
 * Invariants: asking and acting go on side by side; acting alone does anything to what runs, one thing at a time, and asks
 * anew what is next after each; a term is on record before anything is done in it, a promise before it is signed, and the
 * record is written by one at a time, so that nothing of it is ever lost to the other; an answer counts only when the cloud
 * has sealed it for this very guard. Ending this process stops nothing: what runs goes on under the stop that is armed, and
 * the next guard takes it over.
 */
import type { Clock, Random } from '../../kernel/clock.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { Semaphore } from '../../kernel/semaphore.ts';
import { sideBySide } from '../../kernel/together.ts';
import { Troubles } from '../../kernel/troubles.ts';
import type { ArmedStop } from '../../ports/armed-stop.ts';
import type { GuardLink } from '../../ports/guard-link.ts';
import type { GuardFacts, GuardRecord } from '../../ports/guard-record.ts';
import type { GuardedGroup } from '../../ports/guarded-group.ts';
import { renewEveryMs } from '../../protocol/lease.ts';
import type { Grant, LeaseRequest, Stopped } from '../../protocol/lease.ts';
import { sign } from '../../protocol/signed.ts';
import type { SigningKey } from '../../protocol/signed.ts';
import { isHeld } from '../lease/lease.ts';
import { apartMs, clocksOf, narrowed } from './clocks.ts';
import type { Clocks } from './clocks.ts';
import {
  clocksJumped,
  guardAnswered,
  guardAsked,
  newGuard,
  nextAction,
  noted,
  told,
  whyTimesDoNotFit,
} from './core.ts';
import type { GuardNews } from './news.ts';
import { sealedGrant } from './sealed.ts';
import type { Closing, GuardAction, GuardState, GuardTimes } from './core.ts';

/** The longest sleep: what changed meanwhile, the clocks included, is noticed within this time. */
const LOOK_MS = 250;
/** After something that failed, and while no lease is held. */
const RETRY_MS = 1000;
/** How long what was started past the guard may go unseen. */
const FOUND_MS = 1000;
/**
 * By how much the wall clock may go another way than boot time before that is a jump: more than any adjustment between two
 * looks.
 */
const JUMP_MS = 1000;
/** The same for the hardware's clock, which has whole seconds: it ticks up to one more between two looks. */
const HARDWARE_JUMP_MS = 2000;

export interface GuardOptions {
  /** tenant/site/group */
  readonly group: string;
  readonly node: string;
  /** The guard's own. */
  readonly key: SigningKey;
  readonly clock: Clock;
  readonly random: Random;
  readonly link: GuardLink;
  readonly applications: GuardedGroup;
  readonly armedStop: ArmedStop;
  readonly record: GuardRecord;
  readonly times: GuardTimes;
  /** What happens, one line each, for people. */
  readonly tell: (line: string, news?: GuardNews) => void;
}

export class Guard {
  readonly #options: GuardOptions;
  #state: GuardState;
  /** The record as it was written last. */
  #facts: GuardFacts;
  readonly #recording = new Semaphore(1);
  /** How the clocks stood when the question was asked by which the lease counts; or when they were doubted last. */
  #trusted: Clocks;
  /** How they stood when the newest question was asked. */
  #asked: Clocks;
  /** Ends what the asking waits for. */
  #onDoubt: () => void = () => undefined;
  /** When who carries the questions wants the next one; undefined where nobody does. */
  #nextMs: number | undefined;
  /** What goes wrong, and why there is no lease. */
  readonly #troubles = new Troubles();
  /** When it is looked next whether anything runs, while nothing should. */
  #lookBootMs = 0;
  /** Aborted once this process is to end. */
  #ending: AbortSignal | undefined;

  private constructor(options: GuardOptions, state: GuardState, facts: GuardFacts) {
    this.#options = options;
    this.#state = state;
    this.#facts = facts;
    this.#trusted = clocksOf(options.clock);
    this.#asked = this.#trusted;
  }

  /** Takes over what runs and is armed. Errors: DOCUMENT_INVALID, the guard's record. */
  static async open(options: GuardOptions): Promise<Guard> {
    const { group, record, applications, armedStop } = options;
    const isRunning = await applications.takeOver();
    const found = {
      application: isRunning ? ('running' as const) : ('stopped' as const),
      armedBootMs: isRunning ? await armedStop.armedBootMs() : 0,
    };
    const facts = await record.read();
    return new Guard(options, newGuard({ group, ...facts, found }), facts);
  }

  get state(): GuardState {
    return this.#state;
  }

  /** Guards until `signal` is aborted, and then leaves everything as it is. */
  async run(signal: AbortSignal): Promise<void> {
    await sideBySide(signal, [
      async (ending) => this.#asking(ending),
      async (ending) => {
        this.#ending = ending;
        await this.#acting(ending);
      },
    ]);
  }

  /** Asks for the lease. Errors: those of the link; SIGNATURE_INVALID, MESSAGE_INVALID for an answer that is not the cloud's. */
  async ask(): Promise<void> {
    const { after } = await this.#askOnce();
    // Who starts anew, or missed an answer, does not know what was granted last: now it does.
    if (after !== undefined) await this.#askOnce();
    const { refusal } = this.#state.lease;
    this.#tellWhile('refusal', refusal === undefined ? undefined : `no lease: ${refusal}`, this.#news('refused'));
    this.#tellWhile('times', whyTimesDoNotFit(this.#state.lease, this.#options.times));
  }

  async #askOnce(): Promise<Grant> {
    const { clock, random, key, link, group, node } = this.#options;
    const nonce = Buffer.from(random.bytes(16)).toString('hex');
    // The clocks are read before the question leaves, or the lease would be counted too long.
    this.#asked = clocksOf(clock);
    this.#state = guardAsked(this.#state, { nonce, givenBootMs: clock.bootMs() });
    const question = { group, nonce, node, after: this.#state.lease.after };
    const answer = await link.lease(sign(key, 'lease', { groups: [question] } satisfies LeaseRequest));
    const grant = sealedGrant(answer, question, key);
    this.#nextMs = answer.nextMs;
    if (grant.term > this.#state.lease.term) await this.#note({ seenTerm: grant.term });
    const isNewest = this.#state.lease.asked?.nonce === nonce;
    this.#state = guardAnswered(this.#state, grant, grant.closing);
    if (isNewest && this.#state.lease.refusal === undefined) this.#trusted = this.#asked;
    return grant;
  }

  /**
   * A third of the lease lies between two questions, or less where they are carried together; what failed, or found no
   * lease, is asked again soon. A doubt ends every wait, and be it for an answer: that is to a question of before.
   */
  async #asking(signal: AbortSignal): Promise<void> {
    const { clock, times } = this.#options;
    while (!signal.aborted) {
      const doubted = Promise.withResolvers<false>();
      this.#onDoubt = () => {
        doubted.resolve(false);
      };
      const asked = this.#try('the lease', async () => this.ask());
      const isSound = await Promise.race([asked, doubted.promise]);
      const { lease, closing, doubtedBootMs = -Infinity } = this.#state;
      const isWaitedFor = clock.bootMs() - doubtedBootMs < times.answerMs;
      const isSure = isSound && isHeld(lease, clock.bootMs()) && closing === undefined && doubtedBootMs === -Infinity;
      const renewMs = Math.floor(renewEveryMs(lease.leaseMs));
      const nextMs = Math.max(Math.min(this.#nextMs ?? renewMs, renewMs), LOOK_MS);
      const soonMs = isWaitedFor ? LOOK_MS : RETRY_MS;
      await Promise.race([this.#sleep(isSure ? nextMs : soonMs, signal), doubted.promise]);
    }
  }

  async #acting(signal: AbortSignal): Promise<void> {
    const { clock, times } = this.#options;
    this.#watchEnd();
    while (!signal.aborted) {
      this.#lookAtClocks();
      if (!(await this.#try('what runs', async () => this.#lookAtWhatRuns()))) {
        await this.#sleep(RETRY_MS, signal);
        continue;
      }
      const action = nextAction(this.#state, clock.bootMs(), times);
      if (action.do === 'wait') {
        await this.#sleep(Math.min(LOOK_MS, Math.max(1, action.untilBootMs - clock.bootMs())), signal);
        continue;
      }
      if (!(await this.#try(action.do, async () => this.#perform(action)))) await this.#sleep(RETRY_MS, signal);
    }
  }

  async #perform(action: Exclude<GuardAction, { do: 'wait' }>): Promise<void> {
    const { applications, armedStop, clock, tell, group } = this.#options;
    switch (action.do) {
      case 'arm':
        await armedStop.arm(action.untilBootMs);
        this.#state = told(this.#state, { event: 'armed', untilBootMs: action.untilBootMs });
        return;
      case 'keep':
        // What was armed for an earlier lease must not end what this one keeps.
        if (action.term > 0) await armedStop.disarm();
        await this.#note({ keptTerm: action.term });
        this.#state = told(this.#state, { event: 'kept', term: action.term });
        return;
      case 'start':
        // Noted before: should it fail half-way, what there is of it is stopped.
        this.#state = told(this.#state, { event: 'started' });
        tell(`${group}: starting under the lease of term ${this.#state.lease.term}`, this.#news('starting'));
        try {
          await applications.beginStart();
        } finally {
          this.#watchEnd();
        }
        return;
      case 'stop':
        tell(`${group}: stopping: ${action.why}`, this.#news('stopping'));
        applications.askToStop(action.deadlineBootMs - this.#options.times.killMs);
        this.#state = told(this.#state, { event: 'asked-to-stop', deadlineBootMs: action.deadlineBootMs });
        return;
      case 'kill':
        tell(
          `${group}: killing what is left, ${Math.round(this.#state.deadlineBootMs - clock.bootMs())} ms before its time is over`,
        );
        applications.kill();
        this.#state = told(this.#state, { event: 'killed' });
        return;
      case 'promise': {
        if (await this.#finds()) return;
        const { term } = action.closing;
        await this.#note({ promisedTerm: term, seenTerm: term });
        this.#state = told(this.#state, { event: 'promised', term });
        return;
      }
      case 'deliver':
        await this.#deliver(action.closing);
        return;
    }
  }

  #news(guard: GuardNews['guard']): GuardNews {
    return { guard, term: this.#state.lease.term };
  }

  /** Changes the durable record. */
  async #note(change: Partial<GuardFacts>): Promise<void> {
    await this.#recording.run(async () => {
      const facts = noted(this.#facts, change);
      await this.#options.record.write(facts);
      this.#facts = facts;
    });
  }

  async #deliver(closing: Closing): Promise<void> {
    const { link, key, group, node, tell } = this.#options;
    await link.stopped(sign(key, 'stopped', { group, ...closing, node } satisfies Stopped));
    this.#state = told(this.#state, { event: 'delivered', closing });
    tell(`${group}: nothing runs here, and nothing will in term ${closing.term}: the cloud was told`);
  }

  /** Notices when nothing runs any more, whoever ended it. */
  #watchEnd(): void {
    const { applications, tell, group } = this.#options;
    if (this.#state.application === 'stopped') return;
    const ending = this.#ending;
    // Who waited for the end of what goes on would keep this process, which is told to end, from ending.
    void applications.gone(ending).then(
      (how) => {
        tell(`${group}: gone (${how})`, this.#news('gone'));
        this.#state = told(this.#state, { event: 'gone' });
      },
      (error: unknown) => {
        if (ending?.aborted !== true) throw error;
      },
    );
  }

  async #lookAtWhatRuns(): Promise<void> {
    const { clock } = this.#options;
    if (this.#state.application !== 'stopped' || clock.bootMs() < this.#lookBootMs) return;
    this.#lookBootMs = clock.bootMs() + FOUND_MS;
    await this.#finds();
  }

  /** Whether something runs while nothing should: started past the guard, it is ended. */
  async #finds(): Promise<boolean> {
    const { applications, tell, group } = this.#options;
    if (!(await applications.takeOver())) return false;
    tell(`${group}: it runs, and was not started by this guard: it is ended`);
    this.#state = told(this.#state, { event: 'found' });
    this.#watchEnd();
    return true;
  }

  /** Short jumps add up: what counts is how far the clocks went apart since the lease began to count. */
  #lookAtClocks(): void {
    const now = clocksOf(this.#options.clock);
    const jumpMs = Math.round(apartMs(this.#trusted.wall, now.wall));
    const hardwareJumpMs = Math.round(apartMs(this.#trusted.hardware, now.hardware));
    const isWall = Math.abs(jumpMs) >= JUMP_MS;
    // Whoever is held still whole finds no other trace of it.
    if (!isWall && Math.abs(hardwareJumpMs) < HARDWARE_JUMP_MS) {
      this.#trusted = narrowed(this.#trusted, now);
      return;
    }
    this.#trusted = now;
    const what = isWall
      ? `the clocks went apart by ${jumpMs} ms`
      : `the hardware's clock went apart from boot time by ${hardwareJumpMs} ms`;
    this.#doubt(what);
  }

  /** Trusts no lease that was granted before, and has it asked for at once, again and again: what runs waits for the answer. */
  #doubt(why: string): void {
    const { clock, tell, group } = this.#options;
    tell(`${group}: ${why}: the lease is asked for anew`);
    this.#state = clocksJumped(this.#state, clock.bootMs());
    this.#onDoubt();
  }

  /** Tells what is wrong, once as long as it stays the same; undefined where nothing is. */
  #tellWhile(what: string, words: string | undefined, news?: GuardNews): void {
    const { tell, group } = this.#options;
    if (words === undefined) this.#troubles.isOver(what);
    else if (this.#troubles.isNews(what, words)) tell(`${group}: ${words}`, news);
  }

  /** Whether it went well; what did not is told, once as long as it stays the same. */
  async #try(what: string, work: () => Promise<void>): Promise<boolean> {
    const { tell, group } = this.#options;
    try {
      await work();
      if (this.#troubles.isOver(what)) tell(`${group}: ${what}: well again`);
      return true;
    } catch (error) {
      if (!(error instanceof LeewardError)) throw error;
      if (this.#troubles.isNews(what, error.message)) tell(`${group}: ${what}: ${error.message}`);
      return false;
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    await this.#options.clock.sleep(ms, signal).catch(() => undefined);
  }
}
