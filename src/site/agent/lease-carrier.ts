/**
 * Carries the lease questions of a site's guards to the cloud, all of them in one request.
 *
 * Invariants: a nonce goes on as it came, and an answer goes back as the cloud sealed it, so that the carrier can neither make
 * nor change a lease; a question that comes while a request is being put together goes with it; every asker is told to ask next
 * at the same moment, so that one request in an interval renews everything; what the carrier cannot do it says at once, and the
 * guard asks by itself.
 */
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError } from '../../kernel/errors.ts';
import type { CloudLink } from '../../ports/cloud-link.ts';
import { QUESTIONS_MAX, renewEveryMs } from '../../protocol/lease.ts';
import type { LeaseAnswer, LeaseQuestion, LeaseRequest } from '../../protocol/lease.ts';
import { sign } from '../../protocol/signed.ts';
import type { SigningKey } from '../../protocol/signed.ts';

/** How long a request waits for others to join it: far less than what a guard waits before it asks by itself. */
const JOIN_MS = 500;

export interface LeaseCarrierOptions {
  /** The site's own: it vouches for who carries, not for what is granted. */
  readonly key: SigningKey;
  readonly link: Pick<CloudLink, 'lease'>;
  readonly clock: Clock;
}

/** A request that is being put together. */
interface Joint {
  readonly questions: LeaseQuestion[];
  readonly answer: Promise<LeaseAnswer>;
}

export class LeaseCarrier {
  readonly #options: LeaseCarrierOptions;
  #joint: Joint | undefined;

  constructor(options: LeaseCarrierOptions) {
    this.#options = options;
  }

  /**
   * The cloud's answers to these questions, and when to ask next. Errors: REFUSED for a group of another site, or too many
   * at once; those of the link.
   */
  async carry(questions: readonly LeaseQuestion[]): Promise<LeaseAnswer> {
    const { signer } = this.#options.key;
    const foreign = questions.find(({ group }) => !group.startsWith(`${signer}/`));
    if (foreign) throw new LeewardError('REFUSED', `"${foreign.group}" is no group of ${signer}`);
    const joint = (this.#joint ??= this.#begin());
    if (joint.questions.length + questions.length > QUESTIONS_MAX) {
      throw new LeewardError('REFUSED', `more than ${QUESTIONS_MAX} lease questions at once: ask the cloud directly`);
    }
    joint.questions.push(...questions);
    const answer = await joint.answer;
    const nonces = new Set(questions.map(({ nonce }) => nonce));
    return { ...answer, groups: answer.groups.filter(({ nonce }) => nonces.has(nonce)), nextMs: this.#nextMs(answer) };
  }

  #begin(): Joint {
    const { clock, key, link } = this.#options;
    const questions: LeaseQuestion[] = [];
    const answer = clock.sleep(JOIN_MS).then(async () => {
      this.#joint = undefined;
      return link.lease(sign(key, 'lease', { groups: questions } satisfies LeaseRequest));
    });
    // `carry` throws its failure to everybody who asked.
    answer.catch(() => undefined);
    return { questions, answer };
  }

  /** Until the next multiple of a third of the shortest lease, on boot time: the same moment for everybody. */
  #nextMs({ groups }: LeaseAnswer): number {
    const leaseMs = Math.min(...groups.map((group) => (group.granted ? group.leaseMs : Infinity)));
    const everyMs = Math.floor(renewEveryMs(leaseMs));
    const nowBootMs = this.#options.clock.bootMs();
    return Number.isFinite(everyMs) && everyMs > 0 ? Math.ceil(everyMs - (nowBootMs % everyMs)) : 0;
  }
}
