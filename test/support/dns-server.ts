/** A name server for tests: it answers what it was told to, and is silent about every name that it was not told of. */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';

/** Source: RFC 1035, "Header section format", RCODE. */
const CODES = { found: 0, failed: 2, 'not found': 3 } as const;
/** Source: RFC 1035 and RFC 3596, TYPE. */
const TYPES: Readonly<Record<number, string>> = { 1: 'A', 28: 'AAAA' };

/** Addresses, of which there may be none; or another word of the server's. */
export type Said = readonly string[] | 'failed' | 'not found';

export class DnsServer {
  /** Questions in their order, each as `A name`. */
  readonly asked: string[] = [];
  readonly #socket: Socket;
  #isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** `said` has words like `A app.example`; each is said after `laterMs`. On 127.0.0.1, at `port` or a free one. */
  static async open(said: Readonly<Record<string, Said>>, { port = 0, laterMs = 0 } = {}): Promise<DnsServer> {
    const socket = createSocket('udp4').bind(port, '127.0.0.1');
    await once(socket, 'listening');
    const server = new DnsServer(socket);
    socket.on('message', (message, from) => {
      const { question, bytes } = questionOf(message);
      server.asked.push(question);
      const word = said[question];
      if (word === undefined) return;
      const reply = replyTo(message, bytes, word);
      setTimeout(() => {
        if (!server.#isClosed) socket.send(reply, from.port, from.address);
      }, laterMs);
    });
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#socket.close();
    await once(this.#socket, 'close');
  }
}

function questionOf(message: Buffer): { question: string; bytes: Buffer } {
  const labels: string[] = [];
  let at = 12;
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = TYPES[message.readUInt16BE(at + 1)] ?? 'another type of';
  return { question: `${type} ${labels.join('.').toLowerCase()}`, bytes: message.subarray(12, at + 5) };
}

function replyTo(message: Buffer, question: Buffer, said: Said): Buffer {
  const addresses = typeof said === 'string' ? [] : said;
  const code = typeof said === 'string' ? CODES[said] : CODES.found;
  const header = Buffer.alloc(12);
  message.copy(header, 0, 0, 2);
  // A response, with recursion asked for and available.
  header.writeUInt16BE(0x8180 | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((address) => {
    const data = bytesOf(address);
    const record = Buffer.alloc(12);
    // The name of the question; its type and class; a minute to live.
    record.writeUInt16BE(0xc00c, 0);
    question.copy(record, 2, question.length - 4);
    record.writeUInt32BE(60, 6);
    record.writeUInt16BE(data.length, 10);
    return Buffer.concat([record, data]);
  });
  return Buffer.concat([header, question, ...records]);
}

/** An IPv6 address here has one `::`. */
function bytesOf(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [before = [], after = []] = address.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const groups = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => '0'), ...after];
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
