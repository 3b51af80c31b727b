/**
 * `npm run openapi`: writes docs/site-protocol.openapi.json from the schemas in src/protocol, which check what arrives.
 * What a schema cannot say stands in docs/site-protocol.md.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FORMAT } from '../src/kernel/versions.ts';
import '../src/protocol/envelope.ts';
import '../src/protocol/heartbeat.ts';
import '../src/protocol/lease.ts';
import '../src/protocol/ranges.ts';
import '../src/protocol/refusal.ts';
import '../src/protocol/signed.ts';
import '../src/protocol/witness.ts';

/** The description that other programs generate their clients from. */
export const OPENAPI_FILE = join(import.meta.dirname, '../docs/site-protocol.openapi.json');

/** The forms that a site meets, by the ids that their schemas have. */
const FORMS = [
  'SignedMessage',
  'Version',
  'Heartbeat',
  'HeartbeatAnswer',
  'VolumeAnswer',
  'LeaseRequest',
  'LeaseAnswer',
  'Stopped',
  'StoppedAnswer',
  'Witness',
  'WitnessAnswer',
  'Envelope',
  'Ranges',
  'Refusal',
];

const REFUSALS = {
  '400': 'MESSAGE_INVALID or IDENTIFIER_INVALID: the message does not have the form described here.',
  '401': 'SIGNATURE_INVALID: not signed with an active key of the signer.',
  '404': 'NOT_FOUND: the cloud does not know this site.',
  '409': "REFUSED or CONFLICT: a counter that did not grow, or something that is not the site's.",
  '503': 'UNAVAILABLE or VERSION_TOO_NEW: ask again after the time in Retry-After.',
};

const ref = (name: string): { $ref: string } => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: object): object => ({ 'application/json': { schema } });

/** A signed message whose payload has a form of its own. */
function signed(kind: string, payload: string): object {
  const content = { contentMediaType: 'application/json', contentSchema: ref(payload) };
  return { allOf: [ref('SignedMessage'), { properties: { kind: { const: kind }, payload: content } }] };
}

function operation(of: { kind: string; summary: string; payload: string; answer: string; what: string }): object {
  const refusals = Object.entries(REFUSALS).map(([status, description]): [string, object] => [
    status,
    {
      description,
      content: json(ref('Refusal')),
      ...(status === '503'
        ? { headers: { 'Retry-After': { schema: { type: 'integer' }, description: 'Seconds.' } } }
        : {}),
    },
  ]);
  return {
    post: {
      operationId: of.kind,
      summary: of.summary,
      security: [],
      requestBody: { required: true, content: json(signed(of.kind, of.payload)) },
      responses: { '200': { description: of.what, content: json(ref(of.answer)) }, ...Object.fromEntries(refusals) },
    },
  };
}

/** The whole document as text, as it is committed. */
export function openApi(): string {
  const { schemas } = z.toJSONSchema(z.globalRegistry, { io: 'input', uri: (id) => ref(id).$ref });
  const forms = FORMS.map((id): [string, object] => {
    // Inside a larger document a schema needs neither its dialect nor an address of its own.
    const own = Object.entries(schemas[id] ?? {}).filter(([key]) => !['$schema', '$id', 'id'].includes(key));
    if (own.length === 0) throw new Error(`no schema has the id ${id}`);
    return [id, Object.fromEntries(own)];
  });
  const document = {
    openapi: '3.1.0',
    info: {
      title: "Leeward: the site's protocol",
      version: String(FORMAT),
      description:
        "The requests that a site makes of the functions. Bodies are signed with the site's key (SignedMessage). The rest, what goes into queue and journal included, is described in docs/site-protocol.md.",
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '{functions}', variables: { functions: { default: 'https://example.azurewebsites.net' } } }],
    paths: {
      '/api/heartbeat': operation({
        kind: 'heartbeat',
        summary: "The site's own word, answered with everything that its senders must be told.",
        payload: 'Heartbeat',
        answer: 'HeartbeatAnswer',
        what: 'Recorded.',
      }),
      '/api/lease': operation({
        kind: 'lease',
        summary: 'Renews the leases of all groups of a site.',
        payload: 'LeaseRequest',
        answer: 'LeaseAnswer',
        what: 'One answer for each group, granted or not.',
      }),
      '/api/stopped': operation({
        kind: 'stopped',
        summary: "Takes a guard's promise never to start a group's applications in a closing term again.",
        payload: 'Stopped',
        answer: 'StoppedAnswer',
        what: 'Noted, or not waited for.',
      }),
      '/api/witness': operation({
        kind: 'witness',
        summary: 'Takes what a witness sees of a site.',
        payload: 'Witness',
        answer: 'WitnessAnswer',
        what: 'Recorded.',
      }),
    },
    components: {
      schemas: {
        ...Object.fromEntries(forms),
        DeltaMessage: { description: 'The text of a queue message: a delta.', ...signed('delta', 'Envelope') },
        RangesMessage: { description: 'The text of a queue message: a range list.', ...signed('ranges', 'Ranges') },
      },
    },
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

if (import.meta.main) await writeFile(OPENAPI_FILE, openApi());
