/**
 * The host's own endpoints, as far as Azure's portal and Core Tools use them: state, list, and running a function by hand.
 *
 * Invariants: everything but `ping` needs the master key; a call by hand is answered before the function runs, so that
 * its outcome is in the log alone. Source: "Manually run a non HTTP-triggered function".
 */
import { Hono } from 'hono';
import type { Context } from 'hono';
import { z } from 'zod';
import type { HostedFunction } from './bindings.ts';
import { hostVersion } from './core.ts';
import { givenKey } from './http-functions.ts';
import { opens } from './keys.ts';
import type { HostKeys } from './keys.ts';

const byHand = z.looseObject({ input: z.string().nullish() });

/** Returns the routes below /admin. `run` starts a function by hand with the text that was typed. */
export function createAdmin(parts: {
  functions: readonly HostedFunction[];
  keys: HostKeys;
  hostId: string;
  run: (hosted: HostedFunction, text: string) => void;
}): Hono {
  const { functions, keys, hostId, run } = parts;
  const admin = new Hono();
  admin.all('/host/ping', (context) => context.body(null, 200));
  admin.use('*', async (context: Context, next) => {
    if (!opens(keys, 'admin', givenKey(context))) return context.body(null, 401);
    await next();
    return undefined;
  });
  admin.get('/host/status', (context) =>
    context.json({
      id: hostId,
      state: 'Running',
      version: hostVersion,
      processUptime: Math.round(process.uptime() * 1000),
    }),
  );
  admin.get('/functions', (context) => context.json(functions.map(describe)));
  admin.post('/functions/:name', async (context) => {
    const name = context.req.param('name').toLowerCase();
    const hosted = functions.find((candidate) => candidate.name.toLowerCase() === name);
    if (!hosted) return context.body(null, 404);
    if (hosted.trigger.kind === 'http') {
      return context.json({ message: `${hosted.name} is an HTTP function: call its route` }, 400);
    }
    const parsed = byHand.safeParse(await context.req.json().catch(() => undefined));
    if (!parsed.success) return context.json({ message: 'send {"input": "text"}' }, 400);
    run(hosted, parsed.data.input ?? '');
    return context.body(null, 202);
  });
  admin.all('*', (context) => context.body(null, 404));
  return admin;
}

function describe(hosted: HostedFunction) {
  const bindings = Object.entries(hosted.metadata.bindings).map(([name, binding]) => ({ name, ...binding }));
  return { name: hosted.name, language: 'node', isDisabled: false, config: { bindings } };
}
