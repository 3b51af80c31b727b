/**
 * Answers HTTP requests by the app's HTTP functions.
 *
 * Invariants: no function runs before its key was checked; a request that fits no route and method is 404; a function
 * that fails is 500 without a body, so that nothing of the failure leaves the host; what a function returns is sent as
 * it is, and nothing returned is 200 without a body.
 */
import type { Context } from 'hono';
import { LeewardError } from '../../kernel/errors.ts';
import { hasTrigger } from './bindings.ts';
import type { HostedFunction, HttpTrigger } from './bindings.ts';
import type { Invoke } from './invocation.ts';
import { opens } from './keys.ts';
import type { HostKeys } from './keys.ts';
import type { HttpData, TypedData } from './programming-model.ts';
import { parseRoute } from './routes.ts';

/** Longest time until a response. Source: Azure Load Balancer's idle limit, "Functions scale and hosting", 230 s. */
export const RESPONSE_LIMIT_MS = 230_000;

/** How long a body that no function read may take to come to its end. Source: Kestrel, RequestBodyDrainTimeout. */
const UNREAD_LIMIT_MS = 5000;

/** Statuses that have no body. Source: WHATWG Fetch, "null body status". */
const NO_BODY = [204, 205, 304];

/** The key that came with a request, from the header or the query. */
export function givenKey(context: Context): string | undefined {
  return context.req.header('x-functions-key') ?? context.req.query('code');
}

/** Returns what answers every request outside of /admin. Throws USAGE for a route that cannot be served. */
export function createHttpDispatch(parts: {
  functions: readonly HostedFunction[];
  routePrefix: string;
  keys: HostKeys;
  invoke: Invoke;
  responseLimitMs?: number;
}): (context: Context) => Promise<Response> {
  const { keys, invoke, routePrefix, responseLimitMs = RESPONSE_LIMIT_MS } = parts;
  const routes = parts.functions
    .filter((hosted) => hasTrigger(hosted, 'http'))
    .map((hosted) => ({ hosted, route: parseRoute(routePrefix, hosted.trigger.route, hosted.name) }))
    .sort((a, b) => (a.route.rank < b.route.rank ? -1 : 1));

  return async (context) => {
    const { method } = context.req;
    const path = new URL(context.req.url).pathname;
    for (const { hosted, route } of routes) {
      const params = allows(hosted.trigger, method) ? route.match(path) : undefined;
      if (!params) continue;
      if (!opens(keys, hosted.trigger.authLevel, givenKey(context))) return new Response(null, { status: 401 });
      const http = requestData(context, params);
      const answer = invoke(hosted, { input: { http }, reason: `${method} ${path}` }).then((result) =>
        result.succeeded ? toResponse(result.response.returnValue) : new Response(null, { status: 500 }),
      );
      return await afterBody(context.req.raw, await within(answer, responseLimitMs));
    }
    return new Response(null, { status: 404 });
  };
}

function allows(trigger: HttpTrigger, method: string): boolean {
  return trigger.methods.length === 0 || trigger.methods.includes(method);
}

function requestData(context: Context, params: Record<string, string>): HttpData {
  const url = new URL(context.req.url);
  const query = Map.groupBy(url.searchParams, ([name]) => name);
  const nullable = (entries: Iterable<[string, string]>): Record<string, { value: string }> =>
    Object.fromEntries([...entries].map(([name, value]) => [name, { value }]));
  return {
    method: context.req.method,
    url: context.req.url,
    nullableHeaders: nullable(context.req.raw.headers),
    // Azure's host joins a parameter that is given several times.
    nullableQuery: nullable([...query].map(([name, values]) => [name, values.map(([, value]) => value).join(',')])),
    nullableParams: nullable(Object.entries(params)),
    // Read by the function alone, so that a body which it refuses is never held.
    nativeRequest: context.req.raw,
  };
}

/**
 * What the function left of the body is read and dropped before the answer: to close the connection under a caller that is
 * still sending could cost it the answer. One that does not come to its end is told that the connection is closed.
 */
async function afterBody({ body, bodyUsed }: Request, response: Response): Promise<Response> {
  if (body === null || bodyUsed) return response;
  try {
    await body.pipeTo(new WritableStream(), { signal: AbortSignal.timeout(UNREAD_LIMIT_MS), preventCancel: true });
  } catch {
    response.headers.set('connection', 'close');
  }
  return response;
}

function toResponse(value: TypedData | null | undefined): Response {
  const http = value?.http;
  if (!http) return new Response(null, { status: 200 });
  if (http.cookies && http.cookies.length > 0) {
    throw new LeewardError('USAGE', 'the local host carries no cookies objects: send a set-cookie header');
  }
  const status = Number(http.statusCode ?? 200);
  const bytes = http.body?.bytes;
  const body = bytes && bytes.length > 0 && !NO_BODY.includes(status) ? Buffer.from(bytes) : null;
  return new Response(body, { status, headers: http.headers ?? {} });
}

/** The caller gets 504 after the limit; the function runs on, as in Azure. */
async function within(answer: Promise<Response>, limitMs: number): Promise<Response> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Response>((resolve) => {
    timer = setTimeout(() => {
      resolve(new Response(null, { status: 504 }));
    }, limitMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
