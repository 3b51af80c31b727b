/**
 * A site's network as a namespace of this machine's kernel: what runs in it reaches the cloud over a link that can be cut,
 * and the witness over one that is never.
 *
 * Invariants: the local stack's addresses, 127.0.0.1 with its ports, mean the stack in there too, so that nothing that runs
 * in it is told anything else; a cut loses packets without a word, as a network does, and says nothing to either end; the
 * namespace and all that runs in it ends with `close`, and what was started by `run` when this process dies.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { randomInt } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import type { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { findTool, runTool } from '../../../src/local/machines/tools.ts';
import { needs, needsThat } from '../tools.ts';

/**
 * What is lost between site and cloud: everything; or only what comes back, so that requests arrive and are worked on; or
 * only the requests, while connections are still made.
 */
export type Cut = 'both' | 'answers' | 'requests';

/**
 * A packet that carries more than a handshake or an acknowledgement is longer: headers alone have up to 80 bytes with options.
 */
const HEADERS_BYTES = 80;

const RULES: Readonly<Record<Cut, (cloud: string) => readonly string[]>> = {
  both: (cloud) => [`in ip saddr ${cloud} drop`, `out ip daddr ${cloud} drop`],
  answers: (cloud) => [`in ip saddr ${cloud} ip length > ${HEADERS_BYTES} drop`],
  requests: (cloud) => [`out ip daddr ${cloud} ip length > ${HEADERS_BYTES} drop`],
};

/** Options for `test()`: network namespaces, their tools, and the right to make them. */
export function needsNetworks(): { skip: false | string } {
  const tools = needs('ip', 'nft', 'nsenter', 'setpriv', 'unshare');
  return tools.skip === false ? needsThat(process.getuid?.() === 0, 'needs root for network namespaces') : tools;
}

export class Namespace {
  /** Addresses of this side of the link: the cloud's, which is cut, and the witness's. */
  readonly cloudAddress: string;
  readonly witnessAddress: string;
  /** The site's own end of it. */
  readonly siteAddress: string;
  /** How often the cloud's side of the link gave something back for the site, whether it arrived or not. */
  answers = 0;
  readonly #holder: ChildProcess;
  readonly #relays: Server[] = [];

  private constructor(holder: ChildProcess, net: string) {
    this.#holder = holder;
    // What is not cut comes first: whatever this machine sends into the namespace by itself comes from there.
    this.witnessAddress = `${net}.1`;
    this.cloudAddress = `${net}.2`;
    this.siteAddress = `${net}.10`;
  }

  /** A namespace in which this machine's `ports` of 127.0.0.1 are its own's too. */
  static async open(ports: readonly number[]): Promise<Namespace> {
    const holder = spawn('setpriv', ['--pdeathsig=SIGKILL', 'unshare', '--net', 'sleep', 'infinity'], {
      stdio: 'ignore',
    });
    await once(holder, 'spawn');
    holder.unref();
    const net = `10.${randomInt(64, 128)}.${randomInt(256)}`;
    const namespace = new Namespace(holder, net);
    const { siteAddress } = namespace;
    try {
      while (namespaceOf(namespace.#pid) === namespaceOf(process.pid)) await sleep(5);
      const link = `lw${namespace.#pid}`;
      await tool('ip', `link add ${link} type veth peer name eth0 netns ${namespace.#pid}`);
      await tool('ip', `addr add ${namespace.witnessAddress}/24 dev ${link}`);
      await tool('ip', `addr add ${namespace.cloudAddress}/24 dev ${link}`);
      await tool('ip', `link set ${link} up`);
      await namespace.#inside(
        'ip link set lo up',
        `ip addr add ${siteAddress}/24 dev eth0`,
        'ip link set eth0 up',
        // What is meant for the stack's 127.0.0.1 leaves over the link.
        'echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet',
        'nft add table ip leeward',
        "nft 'add chain ip leeward to { type nat hook output priority -100; }'",
        "nft 'add chain ip leeward from { type nat hook postrouting priority 100; }'",
        `nft 'add rule ip leeward to ip daddr 127.0.0.1 tcp dport { ${ports.join(', ')} } dnat to ${namespace.cloudAddress}'`,
        `nft 'add rule ip leeward from oifname eth0 snat to ${siteAddress}'`,
        // Before and after all translation: packets as they are on the link.
        "nft 'add chain ip leeward in { type filter hook prerouting priority -400; }'",
        "nft 'add chain ip leeward out { type filter hook postrouting priority 400; }'",
      );
      for (const port of ports) await namespace.#relay(port);
      return namespace;
    } catch (error) {
      await namespace.close();
      throw error;
    }
  }

  /** Loses what `cut` says from now on, on every connection that there is and every new one. */
  async cut(cut: Cut): Promise<void> {
    await this.heal();
    await this.#inside(...RULES[cut](this.cloudAddress).map((rule) => `nft 'add rule ip leeward ${rule}'`));
  }

  /** Loses nothing any more. */
  async heal(): Promise<void> {
    await this.#inside('nft flush chain ip leeward in', 'nft flush chain ip leeward out');
  }

  /** Runs a program in it; the child is the program itself. */
  run(command: string, args: readonly string[], tell: (text: string) => void): ChildProcess {
    const net = `--net=/proc/${this.#pid}/ns/net`;
    const child = spawn('setpriv', ['--pdeathsig=SIGKILL', 'nsenter', net, command, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const output of [child.stdout, child.stderr]) output.setEncoding('utf8').on('data', tell);
    return child;
  }

  /** Sends a signal to all that runs in it at once, as far as that is possible: whoever started it. */
  signal(signal: NodeJS.Signals): void {
    const own = namespaceOf(this.#pid);
    if (own === undefined) return;
    for (const name of readdirSync('/proc')) {
      const pid = Number(name);
      if (!Number.isInteger(pid) || pid === this.#pid || namespaceOf(pid) !== own) continue;
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  async close(): Promise<void> {
    this.signal('SIGKILL');
    for (const relay of this.#relays) relay.close();
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    this.#holder.ref();
    const ended = once(this.#holder, 'exit');
    this.#holder.kill('SIGKILL');
    await ended;
  }

  get #pid(): number {
    return this.#holder.pid ?? 0;
  }

  async #inside(...lines: readonly string[]): Promise<void> {
    const script = ['set -e', 'PATH="$PATH:/usr/sbin:/sbin"', ...lines].join('\n');
    await runTool('nsenter', [`--net=/proc/${this.#pid}/ns/net`, 'sh', '-c', script]);
  }

  /** The cloud's end: hands on what comes over the link. */
  async #relay(port: number): Promise<void> {
    const server = createServer((site) => {
      const stack = connect(port, '127.0.0.1');
      stack.on('data', () => (this.answers += 1));
      for (const [from, to] of [
        [site, stack],
        [stack, site],
      ] as const) {
        from.pipe(to);
        from.on('error', () => to.destroy());
        from.on('close', () => to.destroy());
      }
    });
    server.listen(port, this.cloudAddress);
    await once(server, 'listening');
    server.unref();
    this.#relays.push(server);
  }
}

/** Undefined for a process that is gone. */
function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

async function tool(name: string, args: string): Promise<void> {
  await runTool(findTool(name) ?? name, args.split(' '));
}
