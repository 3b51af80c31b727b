/**
 * What a replicator remembers of its volume from one start to the next.
 *
 * Invariants: `last` is durable in the outbox, or acknowledged, before it is written here, and the index is in step with
 * it; `releasedNumber` ≤ `acknowledged.number` ≤ `last.number`; a program that is too old to rewrite the state refuses.
 */
import { z } from 'zod';
import { LeewardError } from '../../kernel/errors.ts';
import { CHAIN_START, chainPointSchema } from '../../kernel/chain-point.ts';
import { volumeIdSchema } from '../../kernel/ids.ts';
import { checkStored, parseStored } from '../../kernel/json.ts';
import { CURRENT_VERSION, versionSchema } from '../../kernel/versions.ts';

const { number } = chainPointSchema.shape;

/**
 * A generation's base. 'filling': the index is being brought to what the base is to hold; 'listed': it stands for the
 * range list that is told to the cloud, and stays as it is; 'ready': deltas follow.
 */
const baseSchema = z.looseObject({
  from: z.enum(['upload', 'point']),
  phase: z.enum(['filling', 'listed', 'ready']),
});

/** What a base is made from: raw pages that the site uploads, or a recovery point of an earlier generation. */
export type BaseOrigin = z.infer<typeof baseSchema>['from'];

const replicationStateSchema = z
  .looseObject({
    version: versionSchema,
    volume: volumeIdSchema,
    generation: z.int().min(1),
    /** The term that new deltas name. */
    term: z.int().min(1),
    /** The newest delta that was stored. */
    last: chainPointSchema,
    /** The newest delta that carries a marker, 0 for none: the first copy is done once there is one. */
    markedNumber: number,
    acknowledged: chainPointSchema,
    /** Up to here the outbox has forgotten: acknowledged, and applied to the replica. */
    releasedNumber: number,
    /** 'to-clear': outbox and index still hold what an earlier generation left; 'to-keep': the index is to stay. */
    index: z.enum(['in-step', 'to-clear', 'to-keep']),
    /** Size of the volume after the newest delta; null before the generation's first. */
    volumeBytes: z.int().min(0).nullable(),
    /** Text of the volume's properties in the newest delta that carried them; null where none of the generation did. */
    properties: z.string().nullable().default(null),
    /** Size for which the site asks to write the generation's first copy as raw pages; null where it does not. */
    directBytes: z.int().min(0).nullable().default(null),
    /** What the generation begins from; null for zeros. */
    base: baseSchema.nullable().default(null),
    /** The newest repair whose ranges were made unknown in the index. */
    repaired: z.string().nullable().default(null),
    /** When the last list of range hashes was handed over, or, before that, the first marker made. */
    listedAtMs: z.int().nullable().default(null),
  })
  .refine((state) => state.acknowledged.number <= state.last.number && state.markedNumber <= state.last.number, {
    message: 'is behind what was acknowledged or marked',
    path: ['last'],
  })
  .refine((state) => state.releasedNumber <= state.acknowledged.number, {
    message: 'is beyond what was acknowledged',
    path: ['releasedNumber'],
  });
export type ReplicationState = z.infer<typeof replicationStateSchema>;

/** The state in which a generation begins, with nothing of it made and everything of an earlier one to be cleared. */
export function freshState(of: { volume: string; generation: number; term: number }): ReplicationState {
  return {
    version: CURRENT_VERSION,
    ...of,
    last: CHAIN_START,
    markedNumber: 0,
    acknowledged: CHAIN_START,
    releasedNumber: 0,
    index: 'to-clear',
    volumeBytes: null,
    properties: null,
    directBytes: null,
    base: null,
    repaired: null,
    listedAtMs: null,
  };
}

/** Reads what {@link serializeState} wrote. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
export function parseState(text: string, volume: string): ReplicationState {
  const what = inErrors(volume);
  const state = parseStored(text, { what, schema: replicationStateSchema, use: 'rewrite' });
  if (state.volume !== volume) throw new LeewardError('DOCUMENT_INVALID', `${what}: it is that of ${state.volume}`);
  return state;
}

/** The text that is stored. Errors: DOCUMENT_INVALID, before anything wrong is written. */
export function serializeState(state: ReplicationState): string {
  const checked = checkStored(state, { what: inErrors(state.volume), schema: replicationStateSchema });
  return `${JSON.stringify(checked, undefined, 1)}\n`;
}

function inErrors(volume: string): string {
  return `replication state of ${volume}`;
}
