/**
 * A site as a process of its own, which ends for ever by SIGKILL, at a moment of its sending that it is told beforehand:
 * `node site-process.ts CONFIG`. What it recorded until then lies in its record file, a JSON text each line.
 */
import assert from 'node:assert/strict';
import { appendFileSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { isLeewardError } from '../../../src/kernel/errors.ts';
import type { CloudLink } from '../../../src/ports/cloud-link.ts';
import { siteAccessSchema } from '../../../src/site/send/access.ts';
import { Chance } from './chance.ts';
import { LiveSite } from './live-site.ts';
import type { LiveVolume } from './live-site.ts';

export const siteProcessSchema = z.object({
  access: siteAccessSchema,
  folder: z.string(),
  seed: z.int(),
  volumes: z.array(
    z.object({
      volume: z.string(),
      sizeBytes: z.int(),
      /** Literal bytes of a full delta. */
      deltaBytes: z.int(),
      /** Of one interval's changes. */
      bytesMax: z.int(),
      everyMs: z.int(),
    }),
  ),
  /** It ends at the `count`th time; `delayMs` after the request has begun. */
  end: z.object({
    at: z.enum(['entry begun', 'entry put', 'message begun', 'message sent', 'when it is killed']),
    count: z.int().min(1),
    delayMs: z.int().min(0),
  }),
  record: z.string(),
});
export type SiteProcess = z.infer<typeof siteProcessSchema>;

/** What the record file holds. */
const recordSchema = z.union([
  z.object({ volume: z.string(), after: z.int(), sha256: z.string() }),
  z.object({ volume: z.string(), acknowledged: z.int() }),
]);

/** What a site recorded of one volume. */
export interface SiteRecord {
  readonly contents: { readonly after: number; readonly sha256: string }[];
  /** The highest number that the cloud had acknowledged. */
  readonly acknowledged: number;
}

/** Reads what a site recorded of `volume`. */
export function readRecord(file: string, volume: string): SiteRecord {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  const records = lines
    .map((line) => recordSchema.parse(JSON.parse(line)))
    .filter((record) => record.volume === volume);
  return {
    contents: records.flatMap((record) => ('after' in record ? [{ after: record.after, sha256: record.sha256 }] : [])),
    acknowledged: Math.max(0, ...records.map((record) => ('acknowledged' in record ? record.acknowledged : 0))),
  };
}

function endNow(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('a process that was killed goes on');
}

function ending(link: CloudLink, config: SiteProcess): CloudLink {
  const { at, count, delayMs } = config.end;
  let times = 0;
  const around = async (names: { begun: typeof at; done: typeof at }, send: () => Promise<void>): Promise<void> => {
    const isTheTime = (name: typeof at): boolean => at === name && ++times === count;
    if (isTheTime(names.begun)) {
      void send();
      await sleep(delayMs);
      endNow();
    }
    await send();
    if (isTheTime(names.done)) endNow();
  };
  return {
    async heartbeat(message) {
      const answer = await link.heartbeat(message);
      for (const { volume, acknowledged } of answer.volumes) write({ volume, acknowledged: acknowledged.number });
      return answer;
    },
    lease: (message) => link.lease(message),
    putPages: (blobUrl, offset, bytes) => link.putPages(blobUrl, offset, bytes),
    putEntry: (containerUrl, name, bytes) =>
      around({ begun: 'entry begun', done: 'entry put' }, () => link.putEntry(containerUrl, name, bytes)),
    sendMessage: (queueUrl, text) =>
      around({ begun: 'message begun', done: 'message sent' }, () => link.sendMessage(queueUrl, text)),
  };

  /** What was written outlives the process, though not the machine. */
  function write(record: z.infer<typeof recordSchema>): void {
    appendFileSync(config.record, `${JSON.stringify(record)}\n`);
  }
}

async function replicate(volume: LiveVolume, of: SiteProcess['volumes'][number], chance: Chance): Promise<never> {
  for (;;) {
    try {
      await volume.interval();
    } catch (error) {
      if (!isLeewardError(error, 'UNAVAILABLE')) throw error;
    }
    await sleep(of.everyMs);
    await volume.change(chance, { count: 3, bytesMax: of.bytesMax });
  }
}

async function main(config: SiteProcess): Promise<void> {
  const { access, folder, seed } = config;
  const site = await LiveSite.open({ access, folder, wrapLink: (link) => ending(link, config) });
  const volumes = [];
  for (const of of config.volumes) {
    const chance = new Chance(seed, of.volume.slice(-12));
    const volume = await site.addVolume(of.volume, {
      chance,
      sizeBytes: of.sizeBytes,
      resendAfterMs: 20_000,
      deltaLiteralBytesMax: of.deltaBytes,
      record: async ({ after, sha256 }) => {
        appendFileSync(config.record, `${JSON.stringify({ volume: of.volume, after, sha256 })}\n`);
      },
    });
    volumes.push(replicate(volume, of, chance));
  }
  await Promise.all([...volumes, site.siteLink.run(new AbortController().signal, () => undefined)]);
}

if (import.meta.main) {
  const file = process.argv[2];
  assert.ok(file !== undefined, 'usage: node site-process.ts CONFIG');
  await main(siteProcessSchema.parse(JSON.parse(readFileSync(file, 'utf8'))));
}
