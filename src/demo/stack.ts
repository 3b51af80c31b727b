/** The cloud of a demo: a local stack of its own, or one that is up already with functions that run elsewhere. */
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LeewardError } from '../kernel/errors.ts';
import { parseJson } from '../kernel/json.ts';
import { statusOfStack, upStack } from '../local/stack/stack.ts';
import type { StackFacts } from '../local/stack/stack.ts';
import { PlainHttp } from '../system/http.ts';

const CHECK_MS = 15_000;

/**
 * Starts a stack of the demo's own in `demoFolder`/local, where `leeward --state` finds it. Cache and kernel are those of
 * the folder above, so that several demos share them.
 */
export async function startOwnStack(of: {
  stateFolder: string;
  demoFolder: string;
  project: string;
}): Promise<StackFacts> {
  for (const shared of ['cache', 'kernel']) {
    if (shared === 'cache') await mkdir(join(of.stateFolder, shared), { recursive: true });
    await symlink(join(of.stateFolder, shared), join(of.demoFolder, shared));
  }
  return await upStack({ stateDir: join(of.demoFolder, 'local'), appDir: of.project });
}

/**
 * The stack that is up in a folder, after a look whether functions answer at `url` with `key`. Errors: NOT_FOUND
 * without a stack, USAGE for a wrong key or address, UNAVAILABLE when nobody answers.
 */
export async function useStack(functions: { url: string; key: string; stackFolder: string }): Promise<StackFacts> {
  const { key, stackFolder, url } = functions;
  const status = await statusOfStack(stackFolder);
  const down = status?.parts.find(({ part, state }) => part !== 'host' && state !== 'running');
  if (!status || down) {
    throw new LeewardError(
      'NOT_FOUND',
      `${down ? `${down.part} of the local stack in ${stackFolder} does not run` : `no local stack is in ${stackFolder}`}: run \`npx leeward local up --without-host\` first`,
    );
  }
  await checkFunctions(url, key);
  return status.facts;
}

/** What the status function answers of a site that nobody knows: the functions are there, and the key is good. */
const unknownSiteSchema = z.looseObject({ error: z.looseObject({ code: z.literal('NOT_FOUND') }) });

async function checkFunctions(url: string, key: string): Promise<void> {
  const headers = { 'x-functions-key': key };
  const { status, body } = await new PlainHttp().get(`${url}/api/status/demo/nobody`, { timeoutMs: CHECK_MS, headers });
  if (status === 200 || (status === 404 && isUnknownSite(body))) return;
  throw new LeewardError(
    'USAGE',
    `the functions at ${url} answered with status ${status}: --functions needs the address of the function app, without /api, and --key a key of it`,
  );
}

function isUnknownSite(body: string): boolean {
  return unknownSiteSchema.safeParse(parseJson(body)).success;
}
