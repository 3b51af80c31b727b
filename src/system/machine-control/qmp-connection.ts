/**
 * One connection to a running QEMU's control: a socket, or its own input and output. Source: QEMU, "QEMU Machine Protocol
 * Specification": a greeting, then `qmp_capabilities`, then commands, each answered by `return` or `error`, with events at any
 * time between them; one JSON object a line.
 *
 * Invariants: whoever answers, no more than one line of bounded length is held; when the signal is aborted, whatever is
 * waited for rejects and the socket is gone. QEMU serves one connection at a time and lets others wait without a word, so a
 * connection is to be short.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { addAbortSignal } from 'node:stream';
import type { Readable, Writable } from 'node:stream';
import { z } from 'zod';
import { LeewardError } from '../../kernel/errors.ts';
import { KIB } from '../../kernel/units.ts';

/** The answers to what is asked here are below one KiB. */
const LINE_CHARS_MAX = 64 * KIB;

const messageSchema = z
  .looseObject({ QMP: z.unknown(), return: z.unknown(), error: z.object({ desc: z.string() }), event: z.string() })
  .partial();
type Message = z.infer<typeof messageSchema>;

/** Where QEMU answers, and what it is told by: the same where it is a socket. */
interface Ends {
  readonly from: Readable;
  readonly to: Writable;
}

export class QmpConnection {
  readonly #name: string;
  readonly #ends: Ends;
  readonly #lines: AsyncGenerator<string, undefined>;

  private constructor(name: string, ends: Ends) {
    this.#name = name;
    this.#ends = ends;
    // Told to whoever waits for the next line; between two commands nobody does.
    for (const end of [ends.from, ends.to]) end.on('error', () => undefined);
    this.#lines = linesOf(name, ends.from);
  }

  /**
   * Connects, and is ready for commands. Errors: those of the system's connect(), as they are; of {@link execute}; an
   * AbortError once the signal is aborted, then and later.
   */
  static async open(path: string, signal: AbortSignal): Promise<QmpConnection> {
    const socket = addAbortSignal(signal, connect({ path }));
    const connection = new QmpConnection(path, { from: socket, to: socket });
    try {
      await once(socket, 'connect');
      await connection.#greet();
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** With a QEMU that was started with `-qmp stdio`, once it has opened every device. Errors: those of {@link execute}. */
  static async over(ends: Ends): Promise<QmpConnection> {
    const connection = new QmpConnection('stdio', ends);
    await connection.#greet();
    return connection;
  }

  /**
   * What QEMU returns for `command`; with `until`, not before it has told of that event. Errors: PLATFORM_FAILED when it
   * refuses, or is no QEMU; UNAVAILABLE when it ends the connection.
   */
  async execute(command: string, options: { readonly until?: string } = {}): Promise<unknown> {
    this.#ends.to.write(`${JSON.stringify({ execute: command })}\n`);
    let [returned, isOver, isAnswered]: [unknown, boolean, boolean] = [undefined, options.until === undefined, false];
    while (!isOver || !isAnswered) {
      const message = await this.#next();
      if (message.error) throw new LeewardError('PLATFORM_FAILED', `QEMU refuses ${command}: ${message.error.desc}`);
      if ('return' in message) [returned, isAnswered] = [message.return, true];
      if (message.event !== undefined && message.event === options.until) isOver = true;
    }
    return returned;
  }

  close(): void {
    for (const end of [this.#ends.from, this.#ends.to]) end.destroy();
  }

  async #greet(): Promise<void> {
    if (!('QMP' in (await this.#next()))) throw isNotQemu(this.#name);
    await this.execute('qmp_capabilities');
  }

  async #next(): Promise<Message> {
    const line = await this.#lines.next();
    if (line.done) throw new LeewardError('UNAVAILABLE', `QEMU ended the connection to its control ${this.#name}`);
    return parse(this.#name, line.value);
  }
}

async function* linesOf(name: string, from: Readable): AsyncGenerator<string, undefined> {
  let rest = '';
  const chunks: AsyncIterable<string> = from.setEncoding('utf8');
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_CHARS_MAX) throw isNotQemu(name);
    yield* lines;
  }
  return undefined;
}

function parse(name: string, line: string): Message {
  try {
    return messageSchema.parse(JSON.parse(line));
  } catch (error) {
    throw isNotQemu(name, error);
  }
}

function isNotQemu(name: string, cause?: unknown): LeewardError {
  return new LeewardError('PLATFORM_FAILED', `what answers at ${name} does not speak QEMU's machine protocol`, {
    cause,
  });
}
