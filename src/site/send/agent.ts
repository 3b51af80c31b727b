/**
 * The site's agent, first version: it speaks to the cloud for all volumes of the site.
 *
 * Invariants: a heartbeat's counter is durable before it is sent, and only grows, whatever the wall clock does; nothing
 * is sent by an access that the cloud refuses more than once; after an outage of any length one heartbeat, which needs
 * the site's key alone, brings everything that sending needs.
 */
import { z } from 'zod';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import { firstIssue } from '../../kernel/schema.ts';
import { CURRENT_VERSION, checkVersion, versionSchema } from '../../kernel/versions.ts';
import type { CloudLink } from '../../ports/cloud-link.ts';
import type { SiteStore } from '../../ports/site-store.ts';
import type { Envelope } from '../../protocol/envelope.ts';
import type { Heartbeat, HeartbeatAnswer, VolumeAnswer } from '../../protocol/heartbeat.ts';
import type { RangesMessage } from '../../protocol/ranges.ts';
import { sign } from '../../protocol/signed.ts';
import type { MessageKind, SigningKey } from '../../protocol/signed.ts';

/** What takes part in the heartbeats: a volume's replicator. */
export interface AgentPart {
  readonly volume: string;
  /** What the heartbeat says of it. */
  report(): Heartbeat['volumes'][number];
  /** What the cloud answered; undefined when it does not name the volume. */
  hear(answer: VolumeAnswer | undefined): Promise<void>;
  /** Sends whatever is due. */
  sendDue(): Promise<void>;
}

export interface SiteAgentOptions {
  /** tenant/site */
  readonly site: string;
  readonly key: SigningKey;
  readonly clock: Clock;
  readonly link: CloudLink;
  /** Keeps the counter. */
  readonly store: Pick<SiteStore, 'readState' | 'writeState'>;
  /** The site's own view of its leases. */
  readonly groups?: () => Heartbeat['groups'];
}

type Access = HeartbeatAnswer['access'];

const counterSchema = z.looseObject({ version: versionSchema, counter: z.int().min(0) });

export class SiteAgent {
  readonly #options: SiteAgentOptions;
  readonly #parts = new Map<string, AgentPart>();
  #counter: number | undefined;
  #answer: { readonly said: HeartbeatAnswer; readonly receivedBootMs: number; readonly accessMs: number } | undefined;
  #underWay: Promise<HeartbeatAnswer> | undefined;

  constructor(options: SiteAgentOptions) {
    this.#options = options;
  }

  attach(part: AgentPart): void {
    if (this.#parts.has(part.volume)) throw new LeewardError('ALREADY_EXISTS', `${part.volume} is replicated already`);
    this.#parts.set(part.volume, part);
  }

  /** The newest answer; undefined before the first. */
  get answer(): HeartbeatAnswer | undefined {
    return this.#answer?.said;
  }

  /**
   * One heartbeat, and its answer to every part. Whoever asks while one is under way gets that one's answer. Errors: those
   * of {@link CloudLink}.heartbeat; what the first part could not do with its answer, after all have heard theirs.
   */
  async heartbeat(): Promise<HeartbeatAnswer> {
    this.#underWay ??= this.#beat().finally(() => (this.#underWay = undefined));
    return await this.#underWay;
  }

  /** A heartbeat, and then whatever is due to be sent. */
  async round(): Promise<void> {
    await this.heartbeat();
    await inOrder([...this.#parts.values()].map((part) => () => part.sendDue()));
  }

  /**
   * Rounds for ever, as often as the cloud asks for them, until `signal` is aborted. A round that fails is told to
   * `report` and followed by the next.
   */
  async run(signal: AbortSignal, report: (error: unknown) => void): Promise<void> {
    while (!signal.aborted) {
      await this.round().catch(report);
      await this.#options.clock.sleep(this.answer?.everyMs ?? FIRST_EVERY_MS, signal).catch(() => undefined);
    }
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

  async #beat(): Promise<HeartbeatAnswer> {
    const { clock, key, link, groups } = this.#options;
    const heartbeat: Heartbeat = {
      counter: await this.#nextCounter(),
      volumes: [...this.#parts.values()].map((part) => part.report()),
      groups: groups?.() ?? [],
    };
    const said = await link.heartbeat(sign(key, 'heartbeat', heartbeat));
    if (said.site !== this.#options.site) {
      throw new LeewardError('REFUSED', `heartbeat: the answer is for ${said.site}, this is ${this.#options.site}`);
    }
    const accessMs = said.access.expiresAtMs - clock.wallMs();
    this.#answer = { said, receivedBootMs: clock.bootMs(), accessMs };
    const answers = new Map(said.volumes.map((answer) => [answer.volume, answer]));
    await inOrder([...this.#parts.values()].map((part) => () => part.hear(answers.get(part.volume))));
    return said;
  }

  async #nextCounter(): Promise<number> {
    this.#counter ??= parseCounter(await this.#options.store.readState());
    const counter = Math.max(Math.floor(this.#options.clock.wallMs()), this.#counter + 1);
    await this.#options.store.writeState(`${JSON.stringify({ version: CURRENT_VERSION, counter })}\n`);
    this.#counter = counter;
    return counter;
  }

  /** Uses the access that there is; one that the cloud refuses is renewed, and used once more. */
  async #withAccess(use: (access: Access) => Promise<void>): Promise<void> {
    const access = await this.#access();
    try {
      await use(access);
    } catch (error) {
      if (!isLeewardError(error, 'DENIED')) throw error;
      await use((await this.heartbeat()).access);
    }
  }

  /**
   * An access that is probably good. Half of its life is counted on boot time from when it came; only how long that is
   * hangs on the wall clock. One that is wrong costs heartbeats or a refused request, and nothing else.
   */
  async #access(): Promise<Access> {
    const answer = this.#answer;
    if (answer === undefined) return (await this.heartbeat()).access;
    const ageMs = this.#options.clock.bootMs() - answer.receivedBootMs;
    const fresh = ageMs < Math.max(answer.accessMs / 2, answer.said.everyMs);
    return fresh ? answer.said.access : (await this.heartbeat()).access;
  }
}

/** How often heartbeats are tried before the cloud has ever said how often it wants them. */
const FIRST_EVERY_MS = 15_000;

/** Does all of it, one after the other, and then throws what the first that failed threw. */
async function inOrder(works: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const work of works) await work().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

function parseCounter(text: string | undefined): number {
  if (text === undefined) return 0;
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new LeewardError('DOCUMENT_INVALID', "the agent's state is not JSON", { cause: error });
  }
  checkVersion(data, "the agent's state", 'rewrite');
  const parsed = counterSchema.safeParse(data);
  if (!parsed.success) throw new LeewardError('DOCUMENT_INVALID', `the agent's state: ${firstIssue(parsed.error)}`);
  return parsed.data.counter;
}
