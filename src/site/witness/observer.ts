/**
 * An observer: looks at an address of the site from wherever it runs, and says what it sees.
 *
 * Invariants: it says so whatever it sees, since silence is no vote; a word that does not get through is not said again, for the
 * next one is newer; its counter only grows while it runs, and is the time, so that it grows over restarts too.
 */
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { parseJson } from '../../kernel/json.ts';
import type { Http } from '../../ports/http.ts';
import { refusalIn } from '../../protocol/refusal.ts';
import { sign } from '../../protocol/signed.ts';
import { observe, witnessAnswerSchema } from '../../protocol/witness.ts';
import type { WitnessWord } from '../../protocol/witness.ts';
import { witnessSigningKey } from './access.ts';
import type { WitnessAccess } from './access.ts';

/** How long the cloud's answer may take. */
const POST_TIMEOUT_MS = 15_000;

export interface ObserverOptions {
  readonly access: WitnessAccess;
  readonly http: Http;
  readonly clock: Clock;
}

export class Observer {
  readonly #options: ObserverOptions;
  #counter = 0;
  #everyMs: number;

  constructor(options: ObserverOptions) {
    this.#options = options;
    this.#everyMs = options.access.everyMs;
  }

  /** Looks once and says what it saw. Errors: UNAVAILABLE, and those of the cloud: nothing was recorded, as far as is known. */
  async look(): Promise<WitnessWord['verdict']> {
    const { access, http, clock } = this.#options;
    const verdict = await observe(http, { url: access.url, everyMs: this.#everyMs });
    this.#counter = Math.max(Math.floor(clock.wallMs()), this.#counter + 1);
    const word: WitnessWord = { counter: this.#counter, verdict };
    const { status, body } = await http.post(`${access.functionsUrl.replace(/\/+$/, '')}/api/witness`, {
      body: JSON.stringify(sign(witnessSigningKey(access), 'witness', word)),
      headers: { 'content-type': 'application/json' },
      timeoutMs: POST_TIMEOUT_MS,
    });
    this.#everyMs = everyMsOf(status, body, access);
    return verdict;
  }

  /** Looks until `signal` is aborted, as often as the cloud wants it. What fails is told to `tell`. */
  async run(
    signal: AbortSignal,
    tell: (news: { verdict: WitnessWord['verdict'] } | { error: unknown }) => void,
  ): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      const beganBootMs = clock.bootMs();
      await this.look().then(
        (verdict) => {
          tell({ verdict });
        },
        (error: unknown) => {
          tell({ error });
        },
      );
      const restMs = beganBootMs + this.#everyMs - clock.bootMs();
      await clock.sleep(Math.max(0, restMs), signal).catch(() => undefined);
    }
  }
}

function everyMsOf(status: number, body: string, { witness, site }: WitnessAccess): number {
  const what = `the word of witness ${witness} on ${site}`;
  const data = parseJson(body);
  const refusal = status === 200 ? undefined : refusalIn(data);
  if (refusal) throw new LeewardError(refusal.code, `${what} was refused: ${refusal.message}`);
  if (status !== 200) throw new LeewardError('UNAVAILABLE', `${what} was answered with status ${status}`);
  const answer = witnessAnswerSchema.safeParse(data);
  if (!answer.success) throw new LeewardError('UNAVAILABLE', `${what}: the answer is not one of Leeward's`);
  return answer.data.everyMs;
}
