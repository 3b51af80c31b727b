/**
 * Sending what is in the outbox: one pass over the notices that are due.
 *
 * Invariants
 * - At least once: a delivery is marked only after a 2xx; who dies between the answer and the mark has it sent again, under
 *   the same id. Never again after a 2xx was marked, and by nobody else meanwhile: whoever sends has claimed the notice, and
 *   begins no request that could outlast the claim.
 * - No webhook holds up another: each has a lane of its own; one that did not answer, or answered anything but a 2xx, is
 *   left alone for the rest of the pass. A pass ends soon after the longest request may take.
 * - Nothing is given up silently: pauses grow with a notice's age, and after {@link TRIED_MS} it is marked undeliverable, told
 *   and shown by the status.
 * - Whoever was removed from the site's people is sent nothing that still waits.
 * - The work of a pass is bounded, and what has never been tried goes first, so that a dead webhook's notices delay none.
 * - An address of a webhook is in no document and no line.
 */
import { noticeKind } from '../documents/notice.ts';
import type { Delivery, NoticeDocument } from '../documents/notice.ts';
import { monitorKind } from '../documents/monitor.ts';
import { peopleKind } from '../documents/people.ts';
import type { Documents, Held } from '../documents/store.ts';
import type { Clock } from '../kernel/clock.ts';
import { describeError, isLeewardError } from '../kernel/errors.ts';
import { fewAtOnce } from '../kernel/few-at-once.ts';
import { parseGroup, parseSite } from '../kernel/ids.ts';
import { documents as names, noticeId } from '../kernel/names.ts';
import { Semaphore } from '../kernel/semaphore.ts';
import { DAY_MS } from '../kernel/units.ts';
import type { Http } from '../ports/http.ts';
import { answerUrl } from '../protocol/answer-link.ts';
import { shaped } from './shapes.ts';

/** How long a webhook may take to answer: less than two passes are apart, so that a hanging one delays no later pass. */
export const SEND_TIMEOUT_MS = 8000;
/** How long a sender has a notice for itself. */
const CLAIM_MS = 30_000;
/** Notices of one pass. */
const NOTICES_MAX = 256;
/** Notices that are read and claimed at once. */
const CLAIMS_AT_ONCE = 16;
/** Requests to one webhook at once. */
const LANE_REQUESTS = 4;
/** A first retry comes after this, a later one after half of the notice's age, and none later than the longest. */
const PAUSE_MS_MIN = 10_000;
const PAUSE_MS_MAX = 3_600_000;
/** How long it is tried. */
export const TRIED_MS = 3 * DAY_MS;

export interface DeliveryPorts {
  readonly documents: Documents;
  readonly http: Pick<Http, 'post'>;
  readonly clock: Clock;
  /** Addresses of webhooks by their names. */
  readonly webhooks: ReadonlyMap<string, string>;
  /** For the links of approvers. */
  readonly keySecret: Uint8Array;
  readonly publicUrl: string;
}

export interface DeliveryReport {
  /** Notices that were looked at for the first time, a line each, with the id: what e-mail is sent by (infra/). */
  readonly made: readonly string[];
  readonly delivered: number;
  /** What did not work and is tried again, a line each. */
  readonly troubles: readonly string[];
  /** What was given up, a line each. */
  readonly undeliverable: readonly string[];
}

/**
 * One pass. May be repeated, overlap another or end anywhere. Errors: UNAVAILABLE when the outbox cannot be listed; anything
 * later is one of the report's troubles.
 */
export async function deliverNotices(ports: DeliveryPorts): Promise<DeliveryReport> {
  const pass = await Pass.begin(ports);
  return await pass.run();
}

/** The lane of a webhook during one pass. */
interface Lane {
  readonly slots: Semaphore;
  /** Why nothing is sent there any more in this pass. */
  problem: string | undefined;
}

interface Attempt {
  /** Why it was not taken; undefined when it was. */
  readonly problem: string | undefined;
  /** Whether it was sent at all: not where the webhook had failed just before. */
  readonly isTried: boolean;
}

class Pass {
  readonly #ports: DeliveryPorts;
  readonly #beganMs: number;
  readonly #beganBootMs: number;
  readonly #lanes = new Map<string, Lane>();
  readonly #sends: Promise<void>[] = [];
  readonly #made: string[] = [];
  readonly #troubles: string[] = [];
  readonly #undeliverable: string[] = [];
  #delivered = 0;

  private constructor(ports: DeliveryPorts, beganMs: number) {
    this.#ports = ports;
    this.#beganMs = beganMs;
    this.#beganBootMs = ports.clock.bootMs();
  }

  static async begin(ports: DeliveryPorts): Promise<Pass> {
    // Any answer tells the service's time, also the one that there is no such document.
    const { serviceNowMs } = await ports.documents.readWithTime(monitorKind, names.monitor);
    return new Pass(ports, serviceNowMs);
  }

  /** The service's time, by this machine's since the pass began. */
  get #nowMs(): number {
    return this.#beganMs + Math.round(this.#ports.clock.bootMs() - this.#beganBootMs);
  }

  async run(): Promise<DeliveryReport> {
    await fewAtOnce(CLAIMS_AT_ONCE, await this.#due(), async (name) => {
      // Requests are not awaited here: a webhook that hangs keeps nothing from being claimed for the others.
      await this.#attempt(name, async () => this.#take(name));
    });
    await Promise.all(this.#sends);
    return {
      made: this.#made,
      delivered: this.#delivered,
      troubles: [...new Set(this.#troubles)],
      undeliverable: this.#undeliverable,
    };
  }

  /** Names of what is due, what has been so for longest first: a new notice is due since ever. */
  async #due(): Promise<readonly string[]> {
    const due: { name: string; dueMs: number }[] = [];
    for await (const { name, labels } of this.#ports.documents.list(names.allNotices)) {
      const dueMs = Number(labels['due']);
      if (labels['state'] === 'waiting' && dueMs <= this.#beganMs) due.push({ name, dueMs });
    }
    return due
      .sort((a, b) => a.dueMs - b.dueMs)
      .slice(0, NOTICES_MAX)
      .map(({ name }) => name);
  }

  /** Claims a notice and begins to send it to whom it is due. */
  async #take(name: string): Promise<void> {
    const { documents } = this.#ports;
    const read = await documents.read(noticeKind, name);
    if (!read || read.value.claimedUntilMs > this.#nowMs) return;
    // Said before it is marked as looked at: rather twice than never.
    if (read.value.deliveries === null)
      this.#made.push(`${noticeId(name)} (${read.value.severity}): ${read.value.title}`);
    const claimedBootMs = this.#ports.clock.bootMs();
    const deliveries = await this.#recipients(read.value);
    const claimed = { ...read.value, deliveries, claimedUntilMs: this.#nowMs + CLAIM_MS };
    let held: Held<NoticeDocument>;
    try {
      held = await documents.replace(noticeKind, read, claimed);
    } catch (error) {
      // Somebody else has it.
      if (isLeewardError(error, 'CONFLICT')) return;
      throw error;
    }
    const endBootMs = claimedBootMs + CLAIM_MS - SEND_TIMEOUT_MS;
    for (const delivery of deliveries) {
      if (delivery.state !== 'waiting' || delivery.nextMs > this.#nowMs) continue;
      this.#sends.push(this.#attempt(name, async () => this.#send(held, delivery, endBootMs)));
    }
  }

  /** What is left to deliver, to whom as they are now: who was removed meanwhile is sent nothing any more. */
  async #recipients({ site, deliveries }: NoticeDocument): Promise<Delivery[]> {
    const people = (await this.#ports.documents.read(peopleKind, names.people(parseSite(site))))?.value.people ?? [];
    if (deliveries === null) {
      return people.map((to) => ({ to, state: 'waiting', attempts: 0, nextMs: 0, problem: null }));
    }
    return deliveries.flatMap((delivery) => {
      if (delivery.state !== 'waiting') return [delivery];
      const to = people.find(({ name, addedAfter = 0 }) => {
        return name === delivery.to.name && addedAfter === (delivery.to.addedAfter ?? 0);
      });
      return to ? [{ ...delivery, to }] : [];
    });
  }

  /** Sends to one person, in the webhook's lane, and marks what came of it. */
  async #send(held: Held<NoticeDocument>, { to }: Delivery, endBootMs: number): Promise<void> {
    const lane = this.#laneOf(to.webhook);
    await lane.slots.take();
    try {
      // What was not reached within the claim is due again when that is over.
      if (lane.problem === undefined && this.#ports.clock.bootMs() > endBootMs) return;
      const isTried = lane.problem === undefined;
      const problem = lane.problem ?? (await this.#post(held, to));
      lane.problem = problem;
      await this.#mark(held, to, { problem, isTried });
    } finally {
      lane.slots.end();
    }
  }

  #laneOf(webhook: string): Lane {
    const lane = this.#lanes.get(webhook) ?? { slots: new Semaphore(LANE_REQUESTS), problem: undefined };
    this.#lanes.set(webhook, lane);
    return lane;
  }

  /** Why it was not taken; undefined when it was. */
  async #post(held: Held<NoticeDocument>, to: Delivery['to']): Promise<string | undefined> {
    const { http, webhooks, publicUrl, keySecret } = this.#ports;
    const url = webhooks.get(to.webhook);
    if (url === undefined) return `no webhook "${to.webhook}" is set in LEEWARD_WEBHOOKS`;
    const { group, question } = held.value;
    const link =
      question && group !== undefined && to.role === 'approver'
        ? answerUrl(publicUrl, keySecret, {
            group: parseGroup(group),
            decision: question.decision,
            approver: to.name,
          })
        : undefined;
    const { body, headers } = shaped(to.shape, { id: noticeId(held.name), notice: held.value, link });
    try {
      const { status } = await http.post(url, { body, headers, timeoutMs: SEND_TIMEOUT_MS });
      return status >= 200 && status < 300 ? undefined : `it answered ${status}`;
    } catch (error) {
      if (!isLeewardError(error)) throw error;
      return 'it did not answer';
    }
  }

  async #mark({ name, value }: Held<NoticeDocument>, to: Delivery['to'], attempt: Attempt): Promise<void> {
    const at = { nowMs: this.#nowMs, ageMs: this.#nowMs - value.madeAtMs };
    const { value: marked } = await this.#ports.documents.update(noticeKind, name, (notice) => ({
      ...notice,
      deliveries: (notice.deliveries ?? []).map((delivery) =>
        delivery.to.name === to.name && delivery.state === 'waiting' ? after(delivery, attempt, at) : delivery,
      ),
    }));
    const { problem } = attempt;
    const state = marked.deliveries?.find((delivery) => delivery.to.name === to.name)?.state;
    if (problem === undefined) this.#delivered += 1;
    else if (state === 'undeliverable')
      this.#undeliverable.push(`${noticeId(name)} did not reach ${to.name}: ${problem}`);
    else this.#troubles.push(`webhook "${to.webhook}": ${problem}`);
  }

  async #attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#troubles.push(`${what}: ${describeError(error)}`);
    }
  }
}

/** The delivery as it stands after `attempt`. */
function after(
  delivery: Delivery,
  { problem, isTried }: Attempt,
  { nowMs, ageMs }: { readonly nowMs: number; readonly ageMs: number },
): Delivery {
  const attempts = delivery.attempts + (isTried ? 1 : 0);
  if (problem === undefined) return { ...delivery, state: 'delivered', attempts, problem: null };
  if (isTried && ageMs > TRIED_MS) return { ...delivery, state: 'undeliverable', attempts, problem };
  const pauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, Math.round(ageMs / 2)));
  return { ...delivery, attempts, problem, nextMs: nowMs + pauseMs };
}
