/** One question to a socket of a process of this machine: its answer, or what it refused with, by its code. */
import { z } from 'zod';
import { LeewardError, isErrorCode } from '../../kernel/errors.ts';
import { parseJson } from '../../kernel/json.ts';
import { KIB } from '../../kernel/units.ts';
import { request } from '../request.ts';
import type { PlainRequest } from '../request.ts';

/** A thousand applications fit in. */
const ANSWER_BYTES_MAX = 1024 * KIB;

const errorSchema = z.looseObject({ error: z.string(), code: z.string().optional() });

export type SocketQuestion = Pick<PlainRequest, 'method' | 'body' | 'timeoutMs' | 'signal'> & {
  readonly socketPath: string;
  readonly path: string;
  /** Whom it asks, in errors: "the guard". */
  readonly what: string;
};

/** The answer's body, from JSON. Errors: UNAVAILABLE without an answer, and whatever the other refused it with. */
export async function askSocket({ path, ...question }: SocketQuestion): Promise<unknown> {
  const answer = await request({
    ...question,
    url: `http://socket${path}`,
    headers: { 'content-type': 'application/json' },
    bodyBytesMax: ANSWER_BYTES_MAX,
  });
  if (answer.status === 200) return parseJson(answer.body);
  const said = errorSchema.safeParse(parseJson(answer.body));
  const code = said.data?.code;
  throw new LeewardError(
    code !== undefined && isErrorCode(code) ? code : 'UNAVAILABLE',
    said.data?.error ?? `${question.what}: answer ${answer.status}`,
  );
}
