/**
 * Where the machine of a name is, for all that asks over HTTP or TCP here, in place of the platform's own lookup. That one,
 * getaddrinfo, runs in the process's few threads, two at a time, and nothing ends it: two names whose server is silent would
 * hold up every other, `localhost` too, for as long as it tries.
 *
 * Invariants: addresses, and names in the hosts file, wait for nobody; DNS is asked over sockets of each lookup's own, which
 * ends with what it is for and holds up no other; getaddrinfo is asked only for a name that DNS said at once it does not
 * have, since nsswitch.conf may know other places, and never twice at a time for one name, however many want it.
 */
import { CANCELLED, NOTFOUND, TIMEOUT } from 'node:dns';
import type { LookupAddress, LookupOptions } from 'node:dns';
import { lookup as getaddrinfo, Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** For the first try of one server, and longer for each of the others: the servers of a site answer within milliseconds. */
const TRY_MS = 1000;
/** Of each server. */
const TRIES = 3;
/** How long the addresses of one family wait for the other's. Source: RFC 8305, "Hostname Resolution", Resolution Delay. */
const OTHER_FAMILY_MS = 50;
/** Source: resolv.conf(5), ndots. */
const DOTS = 1;

const LOOPBACKS: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

/** What a machine knows names by. */
export interface NameSources {
  readonly hostsFile: string;
  /** Names the servers of DNS, and what is added to a name. */
  readonly resolverFile: string;
  /** In place of the resolver file's, each with its port where that is not 53. */
  readonly servers?: readonly string[];
  /** Whatever else knows names, asked last. */
  readonly others: (name: string) => Promise<readonly LookupAddress[]>;
}

const THIS_MACHINE: NameSources = {
  hostsFile: '/etc/hosts',
  resolverFile: '/etc/resolv.conf',
  others: async (name) => await getaddrinfo(name, { all: true }),
};

export class Names {
  readonly #sources: NameSources;
  /** What the others are asked now, by name. */
  readonly #underWay = new Map<string, Promise<readonly LookupAddress[]>>();

  constructor(sources: NameSources = THIS_MACHINE) {
    this.#sources = sources;
  }

  /** The option `lookup` of a request or connection that ends with `signal`, as this lookup then does. */
  until(signal: AbortSignal): LookupFunction {
    return (name, options, callback) => {
      this.#addresses(name, familiesOf(options), signal).then(
        ([first, ...more]) => {
          if (first === undefined) callback(notFound(name), '');
          else if (options.all === true) callback(null, [first, ...more]);
          else callback(null, first.address, first.family);
        },
        (error: unknown) => {
          callback(error instanceof Error ? error : notFound(name), '');
        },
      );
    };
  }

  async #addresses(name: string, families: readonly number[], signal: AbortSignal): Promise<readonly LookupAddress[]> {
    if (isIP(name) !== 0) return [{ address: name, family: isIP(name) }];
    const isWanted = ({ family }: LookupAddress): boolean => families.includes(family);
    const { hostsFile } = this.#sources;
    for (const known of [hostsNamed(name, hostsFile).filter(isWanted), loopbacksNamed(name).filter(isWanted)]) {
      if (known.length > 0) return known;
    }
    const beganMs = performance.now();
    try {
      return await this.#askDns(name, families, signal);
    } catch (error) {
      if (signal.aborted || isSilence(error) || performance.now() - beganMs > TRY_MS) throw error;
    }
    return (await this.#askOthers(name)).filter(isWanted);
  }

  async #askDns(name: string, families: readonly number[], signal: AbortSignal): Promise<LookupAddress[]> {
    const { resolverFile, servers } = this.#sources;
    signal.throwIfAborted();
    // A new one takes the servers as they are written now.
    const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES });
    if (servers) resolver.setServers(servers);
    const cancel = (): void => {
      resolver.cancel();
    };
    signal.addEventListener('abort', cancel, { once: true });
    let refusal: unknown = notFound(name);
    try {
      for (const fullName of fullNames(name, resolverFile)) {
        try {
          return await askFor(fullName, families, resolver);
        } catch (error) {
          if (isSilence(error)) throw error;
          refusal = error;
        }
      }
      throw refusal;
    } finally {
      signal.removeEventListener('abort', cancel);
      cancel();
    }
  }

  async #askOthers(name: string): Promise<readonly LookupAddress[]> {
    const asked = this.#underWay.get(name) ?? this.#sources.others(name).finally(() => this.#underWay.delete(name));
    this.#underWay.set(name, asked);
    return await asked;
  }
}

const names = new Names();

/**
 * The option `lookup` for a request or connection that ends with `signal`: by this machine's own sources of names. Errors have
 * the codes of node:dns, ENOTFOUND above all.
 */
export function lookupUntil(signal: AbortSignal): LookupFunction {
  return names.until(signal);
}

/** IPv4 first where there are both: who connects tries the other soon. Errors: what DNS said, or that it said nothing. */
async function askFor(name: string, families: readonly number[], resolver: Resolver): Promise<LookupAddress[]> {
  const found: LookupAddress[] = [];
  const questions = families.map(async (family) => {
    const addresses = await (family === 4 ? resolver.resolve4(name) : resolver.resolve6(name));
    found.push(...addresses.map((address) => ({ address, family })));
  });
  const all = Promise.allSettled(questions);
  try {
    await Promise.any(questions);
  } catch (error) {
    const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
    throw errors.find(isSilence) ?? errors[0];
  }
  await Promise.race([all, wait(OTHER_FAMILY_MS, undefined, { ref: false })]);
  return found.toSorted((one, other) => one.family - other.family);
}

/** Whether DNS said nothing, which is not to say that it does not have the name. */
function isSilence(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === TIMEOUT || error.code === CANCELLED);
}

function notFound(name: string): Error {
  return Object.assign(new Error(`${name} has no address`), { code: NOTFOUND });
}

function familiesOf({ family }: LookupOptions): readonly number[] {
  if (family === 4 || family === 'IPv4') return [4];
  return family === 6 || family === 'IPv6' ? [6] : [4, 6];
}

/** Source: hosts(5). */
function hostsNamed(name: string, hostsFile: string): LookupAddress[] {
  const wanted = name.toLowerCase();
  return linesOf(hostsFile).flatMap(([address = '', ...itsNames]) => {
    const isNamed = isIP(address) !== 0 && itsNames.some((each) => each.toLowerCase() === wanted);
    return isNamed ? [{ address, family: isIP(address) }] : [];
  });
}

/** Whatever the hosts file lacks, these are never asked for. Source: RFC 6761, "localhost". */
function loopbacksNamed(name: string): readonly LookupAddress[] {
  return /(^|\.)localhost\.?$/i.test(name) ? LOOPBACKS : [];
}

/** What DNS is asked for, in this order, for a name as somebody wrote it. Source: resolv.conf(5), search and ndots. */
function fullNames(name: string, resolverFile: string): string[] {
  if (name.endsWith('.')) return [name];
  const lines = linesOf(resolverFile);
  const domains = lines.findLast(([word]) => word === 'search' || word === 'domain')?.slice(1) ?? [];
  const options = lines.filter(([word]) => word === 'options').flatMap((line) => line.slice(1));
  const dots = options.findLast((option) => option.startsWith('ndots:'))?.slice('ndots:'.length);
  const longer = domains.map((domain) => `${name}.${domain.replace(/\.$/, '')}`);
  return name.split('.').length - 1 < Number(dots ?? DOTS) ? [...longer, name] : [name, ...longer];
}

/** The words of each line; none of a file that is not there. Read at once: reading may not wait for the threads either. */
function linesOf(file: string): string[][] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').map((line) =>
    line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/),
  );
}
