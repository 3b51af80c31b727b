/**
 * The site's way to the cloud: heartbeats for all its volumes and what runs there, and what is sent by the access they bring.
 *
 * Invariants: a heartbeat's counter is durable before it is sent, and above every one that the cloud took, whatever the wall
 * clock does; no two heartbeats are under way at a time; none waits for anything that a volume does, be it reading, storing,
 * sending or hearing an answer, and no volume waits for another's; each hears the answers in their order, and of several that
 * came meanwhile the newest; nothing is sent by an access that the cloud refuses more than once; after an outage of any length
 * one heartbeat, which needs the site's key alone, brings everything that sending needs.
 */
import { z } from 'zod';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import { parseStored } from '../../kernel/json.ts';
import { together } from '../../kernel/together.ts';
import { CURRENT_VERSION, versionSchema } from '../../kernel/versions.ts';
import type { CloudLink } from '../../ports/cloud-link.ts';
import type { SiteStore } from '../../ports/site-store.ts';
import type { Envelope } from '../../protocol/envelope.ts';
import { USUAL_HEARTBEAT_MS } from '../../protocol/heartbeat.ts';
import type { Heartbeat, HeartbeatAnswer, SiteWord, VolumeAnswer } from '../../protocol/heartbeat.ts';
import type { RangesMessage } from '../../protocol/ranges.ts';
import { sign } from '../../protocol/signed.ts';
import type { MessageKind, SigningKey } from '../../protocol/signed.ts';
import { JoinedTurns } from '../work/joined-turns.ts';

/** What takes part in the heartbeats: a volume's replicator. */
export interface HeartbeatPart {
  readonly volume: string;
  /** What the heartbeat says of it. */
  report(): VolumeReport;
  /** What the cloud answered to `report`; undefined when it does not name the volume. */
  hear(answer: VolumeAnswer | undefined, report: VolumeReport | undefined): Promise<void>;
  /** Sends whatever is due; ends soon, with the signal's reason, when that is aborted. */
  sendDue(signal?: AbortSignal): Promise<void>;
}

/** What a heartbeat says of a volume. */
export type VolumeReport = Heartbeat['volumes'][number];

export interface SiteLinkOptions {
  /** tenant/site */
  readonly site: string;
  readonly key: SigningKey;
  readonly clock: Clock;
  readonly link: CloudLink;
  /** Keeps the counter. */
  readonly store: Pick<SiteStore, 'readState' | 'writeState'>;
  /**
   * What the heartbeat says beside the volumes; asked for each, and never fails. Without it nothing is said of what runs here.
   */
  readonly word?: () => SiteWord | Promise<SiteWord>;
}

type Access = HeartbeatAnswer['access'];

/** An answer, and what it answers to. */
interface Heard {
  readonly word: SiteWord;
  readonly said: HeartbeatAnswer;
  readonly answers: ReadonlyMap<string, VolumeAnswer>;
  readonly reports: ReadonlyMap<string, VolumeReport>;
  /** Each part's turn at hearing it, or a newer one. */
  readonly turns: Map<string, Promise<void>>;
  /** When the heartbeat was sent, and when the answer came, on boot time. */
  readonly sentBootMs: number;
  readonly receivedBootMs: number;
  readonly accessMs: number;
}

/** Whose hearing of the answer to wait for. */
export interface HeartbeatWish {
  /** Only this volume's. Default: every part's. */
  readonly volume?: string;
  /** An answer to a heartbeat that is no older will do, and none is sent. Default: one that is under way, or a new one. */
  readonly maxAgeMs?: number;
}

const counterSchema = z.looseObject({ version: versionSchema, counter: z.int().min(0) });

export class SiteLink {
  readonly #options: SiteLinkOptions;
  /** Each with its turns at hearing what is newest. */
  readonly #parts = new Map<string, { readonly part: HeartbeatPart; readonly hearing: JoinedTurns }>();
  #counter: number | undefined;
  #newest: Heard | undefined;
  #underWay: Promise<Heard> | undefined;
  /** When a heartbeat was begun last, on boot time. */
  #begunBootMs = -Infinity;
  /** What {@link run} does with each new answer. */
  #follow: ((newest: Heard) => void) | undefined;

  constructor(options: SiteLinkOptions) {
    this.#options = options;
  }

  attach(part: HeartbeatPart): void {
    const { volume } = part;
    if (this.#parts.has(volume)) throw new LeewardError('ALREADY_EXISTS', `${volume} is replicated already`);
    const hearing = new JoinedTurns(async () => {
      await part.hear(this.#newest?.answers.get(volume), this.#newest?.reports.get(volume));
    });
    this.#parts.set(volume, { part, hearing });
  }

  /** The newest answer; undefined before the first. */
  get answer(): HeartbeatAnswer | undefined {
    return this.#newest?.said;
  }

  /**
   * One heartbeat; resolves when its answer, or a newer one, was heard by those of whom `wish` says so. Whoever asks while
   * one is under way gets that one's answer. Errors: those of {@link CloudLink}.heartbeat; what the first of those parts
   * could not do with its answer, after all of them have heard theirs.
   */
  async heartbeat(wish: HeartbeatWish = {}): Promise<HeartbeatAnswer> {
    const { volume, maxAgeMs = -Infinity } = wish;
    const newest = this.#newest;
    const isYoung = newest !== undefined && this.#options.clock.bootMs() - newest.sentBootMs <= maxAgeMs;
    const { said, turns } = isYoung ? newest : await this.#exchange();
    await together(
      [...turns].map(async ([name, turn]) => (volume === undefined || name === volume ? turn : undefined)),
    );
    return said;
  }

  /** What the newest heartbeat that was answered said beside the volumes; undefined before the first. */
  get told(): SiteWord | undefined {
    return this.#newest?.word;
  }

  /**
   * A heartbeat that begins after this is called, and what it said beside the volumes; resolves when the cloud has answered, and
   * waits for no part. Errors: those of {@link CloudLink}.heartbeat.
   */
  async tell(): Promise<SiteWord> {
    await this.#underWay?.catch(() => undefined);
    return (await this.#exchange()).word;
  }

  /** Resolves when every part has heard the newest answer, whatever came of that. */
  async heard(): Promise<void> {
    await Promise.allSettled([...(this.#newest?.turns.values() ?? [])]);
  }

  /** A heartbeat, and then whatever is due to be sent, for whoever keeps no {@link run} going. */
  async round(): Promise<void> {
    await this.heartbeat();
    await together([...this.#parts.values()].map(async ({ part }) => part.sendDue()));
  }

  /**
   * Heartbeats, as often as the cloud asks for them, until `signal` is aborted; after each, every volume by itself hears
   * the answer and sends what is due, for as long as that takes. Whatever fails is told to `report` and tried again after
   * the next one. Returns when nothing of it is under way any more.
   */
  async run(signal: AbortSignal, report: (error: unknown) => void): Promise<void> {
    const { clock } = this.#options;
    const busy = new Map<string, Promise<void>>();
    const tell = (error: unknown): void => {
      if (!signal.aborted) report(error);
    };
    this.#follow = ({ turns }) => {
      for (const [volume, { part }] of this.#parts) {
        if (busy.has(volume) || signal.aborted) continue;
        const work = Promise.resolve(turns.get(volume))
          .then(async () => part.sendDue(signal))
          .catch(tell)
          .finally(() => busy.delete(volume));
        busy.set(volume, work);
      }
    };
    while (!signal.aborted) {
      // Whatever asked for the one before: as long as others come in time, none is added.
      const restMs = this.#begunBootMs + (this.answer?.everyMs ?? USUAL_HEARTBEAT_MS) - clock.bootMs();
      if (restMs > 0) await clock.sleep(restMs, signal).catch(() => undefined);
      else await this.#exchange().catch(tell);
    }
    this.#follow = undefined;
    await Promise.allSettled([...busy.values(), ...(this.#newest?.turns.values() ?? [])]);
  }

  /** Puts an entry into the site's journal. Errors: those of {@link CloudLink}.putEntry. */
  async putEntry(name: string, bytes: Uint8Array): Promise<void> {
    await this.#withAccess((access) => this.#options.link.putEntry(access.journal, name, bytes));
  }

  /** Signs the envelope and adds it to a queue. Errors: those of {@link CloudLink}.sendMessage. */
  async sendDelta(queue: VolumeAnswer['queue'], envelope: Envelope): Promise<void> {
    await this.#send(queue, 'delta', envelope);
  }

  /** Signs the message about a range list and adds it to a queue. Errors: those of {@link CloudLink}.sendMessage. */
  async sendRanges(queue: VolumeAnswer['queue'], message: RangesMessage): Promise<void> {
    await this.#send(queue, 'ranges', message);
  }

  /** Writes pages. Errors: those of {@link CloudLink}.putPages. */
  async putPages(blobUrl: string, offset: number, bytes: Uint8Array): Promise<void> {
    await this.#options.link.putPages(blobUrl, offset, bytes);
  }

  async #send(queue: VolumeAnswer['queue'], kind: MessageKind, payload: Envelope | RangesMessage): Promise<void> {
    const text = JSON.stringify(sign(this.#options.key, kind, payload));
    await this.#withAccess((access) => this.#options.link.sendMessage(access.queues[queue], text));
  }

  /** One heartbeat and its answer, which all parts then hear, each in its own time. */
  async #exchange(): Promise<Heard> {
    this.#underWay ??= this.#beat().finally(() => (this.#underWay = undefined));
    return await this.#underWay;
  }

  async #beat(): Promise<Heard> {
    const { clock, key, link, word } = this.#options;
    const sentBootMs = (this.#begunBootMs = clock.bootMs());
    const { before, counter } = await this.#nextCounter();
    const volumes = [...this.#parts.values()].map(({ part }) => part.report());
    const ours: SiteWord = (await word?.()) ?? {};
    const heartbeat: Heartbeat = { counter, volumes, ...ours };
    const said = await link.heartbeat(sign(key, 'heartbeat', heartbeat)).catch(async (error: unknown) => {
      // What was refused was not recorded. A counter from a clock that was far ahead must not outlast that clock.
      if (isLeewardError(error, 'REFUSED')) await this.#keepCounter(before);
      throw error;
    });
    if (said.site !== this.#options.site) {
      throw new LeewardError('REFUSED', `heartbeat: the answer is for ${said.site}, this is ${this.#options.site}`);
    }
    const newest = {
      ...{ said, word: ours, sentBootMs, receivedBootMs: clock.bootMs() },
      answers: new Map(said.volumes.map((answer) => [answer.volume, answer])),
      reports: new Map(volumes.map((report) => [report.volume, report])),
      turns: new Map<string, Promise<void>>(),
      accessMs: said.access.expiresAtMs - clock.wallMs(),
    };
    this.#newest = newest;
    for (const [volume, { hearing }] of this.#parts) {
      const turn = hearing.ask();
      // Whoever waits for the part hears of its failure.
      turn.catch(() => undefined);
      newest.turns.set(volume, turn);
    }
    this.#follow?.(newest);
    return newest;
  }

  async #nextCounter(): Promise<{ readonly before: number; readonly counter: number }> {
    const before = (this.#counter ??= parseCounter(await this.#options.store.readState()));
    const counter = Math.max(Math.floor(this.#options.clock.wallMs()), before + 1);
    await this.#keepCounter(counter);
    return { before, counter };
  }

  async #keepCounter(counter: number): Promise<void> {
    await this.#options.store.writeState(`${JSON.stringify({ version: CURRENT_VERSION, counter })}\n`);
    this.#counter = counter;
  }

  /** Uses the access that there is; one that the cloud refuses is renewed, and used once more. */
  async #withAccess(use: (access: Access) => Promise<void>): Promise<void> {
    const access = await this.#access();
    try {
      await use(access);
    } catch (error) {
      if (!isLeewardError(error, 'DENIED')) throw error;
      await use((await this.#exchange()).said.access);
    }
  }

  /**
   * An access that is probably good. Half of its life is counted on boot time from when it came; only how long that is
   * hangs on the wall clock. One that is wrong costs heartbeats or a refused request, and nothing else.
   */
  async #access(): Promise<Access> {
    const newest = this.#newest;
    if (newest === undefined) return (await this.#exchange()).said.access;
    const ageMs = this.#options.clock.bootMs() - newest.receivedBootMs;
    const fresh = ageMs < Math.max(newest.accessMs / 2, newest.said.everyMs);
    return (fresh ? newest : await this.#exchange()).said.access;
  }
}

function parseCounter(text: string | undefined): number {
  if (text === undefined) return 0;
  return parseStored(text, { what: "the agent's state", schema: counterSchema, use: 'rewrite' }).counter;
}
