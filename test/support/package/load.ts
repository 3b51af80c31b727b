/**
 * Loads a packaged app in a process of its own, as Azure's worker does, and says on stdout what happened: which
 * functions it registered, how long that took, which files were loaded by then.
 *
 *     node load.ts MAIN.JS [FUNCTION MESSAGE]
 *
 * With FUNCTION, that one is called with MESSAGE afterwards, and the answer says which files were loaded after that.
 */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import { registered } from './core.ts';

const [main = '', name, message] = process.argv.slice(2);
const core = new URL('./core.ts', import.meta.url).href;
const loaded: string[] = [];

registerHooks({
  resolve: (specifier, context, nextResolve) =>
    specifier === '@azure/functions-core' ? { url: core, shortCircuit: true } : nextResolve(specifier, context),
  load: (url, context, nextLoad) => {
    loaded.push(url);
    return nextLoad(url, context);
  },
});

const startedAtMs = performance.now();
await import(pathToFileURL(main).href);
const loadMs = performance.now() - startedAtMs;
const loadedAtStart = [...loaded];

let outcome: string | undefined;
if (name !== undefined) {
  const found = registered.find(({ metadata }) => metadata.name === name);
  if (!found) throw new Error(`no function ${name}`);
  const silent = (): void => undefined;
  const context = {
    functionName: name,
    invocationId: 'test',
    triggerMetadata: { id: 'test', popReceipt: 'test', dequeueCount: 1 },
    log: silent,
    trace: silent,
    debug: silent,
    info: silent,
    warn: silent,
    error: silent,
  };
  try {
    await found.callback(message, context);
    outcome = 'returned';
  } catch (error) {
    outcome = `threw ${String(error)}`;
  }
}

const functions = registered.map(({ metadata }) => metadata);
const answer = JSON.stringify({ loadMs, functions, loadedAtStart, loaded, outcome });
// The app may hold connections open; what it had to say is said.
process.stdout.write(`\n${answer}`, () => process.exit(0));
