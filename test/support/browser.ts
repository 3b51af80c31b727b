/**
 * A real browser for tests: Chromium without a window, spoken to by its DevTools protocol.
 *
 * Invariants: it has a profile of its own, which is removed; it dies with `close()`, and at the latest with the test's
 * process. Its sandbox is off, since tests run as root; it opens nothing but this machine's own pages.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';

const PATIENCE_MS = 30_000;

const OPTIONS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--no-first-run',
  '--remote-debugging-port=0',
];

const messageSchema = z.looseObject({
  id: z.number().optional(),
  method: z.string().optional(),
  params: z.looseObject({}).optional(),
  result: z.looseObject({}).optional(),
  error: z.looseObject({ message: z.string() }).optional(),
});

export interface Browser {
  /** Opens an address, and waits until it is loaded. */
  open(url: string): Promise<void>;
  /** Clicks the button or link with this text, and waits for the page that it leads to. */
  click(text: string): Promise<void>;
  /** What a person reads. */
  text(): Promise<string>;
  /** The value of an expression in the page. */
  evaluate(expression: string): Promise<unknown>;
  /** The page as a person hears it: `role: name` of everything that has both. */
  spoken(): Promise<readonly string[]>;
  /** What the browser complained of: a style that was refused, a request that failed. */
  readonly complaints: readonly string[];
  /** A picture of the whole page, as PNG. */
  picture(): Promise<Uint8Array>;
  close(): Promise<void>;
}

export async function openBrowser(): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'leeward-browser-'));
  const child = spawn('chromium', [...OPTIONS, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const kill = (): void => {
    try {
      // Its helpers are in its process group.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It is gone.
    }
  };
  process.once('exit', kill);
  const port = await new Promise<string>((resolve, reject) => {
    const limit = setTimeout(() => {
      reject(new Error('Chromium did not start'));
    }, PATIENCE_MS);
    child.once('exit', () => {
      reject(new Error('Chromium ended'));
    });
    createInterface({ input: child.stderr }).on('line', (line) => {
      const found = /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)\//.exec(line)?.[1];
      if (found === undefined) return;
      clearTimeout(limit);
      resolve(found);
    });
  });
  const made = await fetch(`http://127.0.0.1:${port}/json/new?about:blank`, { method: 'PUT' });
  const { webSocketDebuggerUrl } = z.looseObject({ webSocketDebuggerUrl: z.string() }).parse(await made.json());
  const socket = new WebSocket(webSocketDebuggerUrl);
  await once(socket, 'open');

  const complaints: string[] = [];
  const waiting = new Map<number, { resolve: (result: object) => void; reject: (error: Error) => void }>();
  let loaded: (() => void) | undefined;
  let calls = 0;
  socket.addEventListener('message', ({ data }) => {
    const { id, method, params, result, error } = messageSchema.parse(JSON.parse(String(data)));
    if (method === 'Page.loadEventFired') loaded?.();
    if (method === 'Log.entryAdded') complaints.push(JSON.stringify(params));
    const call = id === undefined ? undefined : waiting.get(id);
    if (error) call?.reject(new Error(error.message));
    else call?.resolve(result ?? {});
  });
  const send = async (method: string, params: object = {}): Promise<object> => {
    calls += 1;
    const id = calls;
    const answer = new Promise<object>((resolve, reject) => waiting.set(id, { resolve, reject }));
    socket.send(JSON.stringify({ id, method, params }));
    return await answer;
  };
  /** Does something that leads to another page, and waits for it. */
  const leading = async (work: () => Promise<unknown>): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const limit = setTimeout(() => {
      reject(new Error('no page was loaded'));
    }, PATIENCE_MS);
    loaded = () => {
      resolve(undefined);
    };
    await work();
    await promise;
    clearTimeout(limit);
  };
  const evaluate = async (expression: string): Promise<unknown> => {
    const answer = await send('Runtime.evaluate', { expression, returnByValue: true });
    return z.looseObject({ result: z.looseObject({ value: z.unknown() }) }).parse(answer).result.value;
  };
  for (const domain of ['Page', 'Log', 'Runtime', 'Accessibility']) await send(`${domain}.enable`);

  return {
    complaints,
    evaluate,
    open: async (url) => leading(async () => send('Page.navigate', { url })),
    click: async (text) =>
      leading(async () => {
        const found = await evaluate(`(() => {
          const all = [...document.querySelectorAll('button, a')];
          const one = all.find((element) => element.textContent.trim() === ${JSON.stringify(text)});
          one?.click();
          return one !== undefined;
        })()`);
        if (found !== true) throw new Error(`nothing to click says "${text}"`);
      }),
    text: async () => z.string().parse(await evaluate('document.body.innerText')),
    async spoken() {
      const part = z.looseObject({ value: z.unknown() }).optional();
      const { nodes } = z
        .looseObject({ nodes: z.array(z.looseObject({ ignored: z.boolean(), role: part, name: part })) })
        .parse(await send('Accessibility.getFullAXTree'));
      return nodes
        .filter(({ ignored, role, name }) => !ignored && role !== undefined && Boolean(name?.value))
        .map(({ role, name }) => `${String(role?.value)}: ${String(name?.value)}`);
    },
    async picture() {
      const { data } = z
        .looseObject({ data: z.string() })
        .parse(await send('Page.captureScreenshot', { captureBeyondViewport: true }));
      return Buffer.from(data, 'base64');
    },
    async close() {
      process.removeListener('exit', kill);
      socket.close();
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        kill();
        await ended;
      }
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
