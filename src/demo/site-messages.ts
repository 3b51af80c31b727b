/**
 * What the demo and its site's process say to each other. Both check what they hear; no credential passes here, the site
 * reads its access file.
 */
import { z } from 'zod';
import { writtenSchema } from './application-control.ts';
import { noteSchema } from './notes.ts';

/** How a site's process is started: one JSON argument. */
export const siteConfigSchema = z.object({
  /** The site's access file, and the folder of its counters, indexes and outboxes. */
  accessFile: z.string(),
  folder: z.string(),
  /** tenant/site/group */
  group: z.string(),
  /** The node that its application runs on. */
  node: z.string(),
  /** How long the cloud may take to acknowledge what was sent. */
  acknowledgedMs: z.int(),
  /** The application beside the volume; null where nothing writes to it. */
  application: z
    .object({
      /** A name for this run of the demo, which the application writes into its files. */
      run: z.string(),
      image: z.string(),
      mountPoint: z.string(),
      work: z.string(),
      control: z.string(),
      mayMount: z.boolean(),
      stopMs: z.int(),
      killMs: z.int(),
    })
    .nullable(),
});
export type SiteConfig = z.infer<typeof siteConfigSchema>;

const intervalSchema = z.object({
  /** The deltas that were made. */
  numbers: z.array(z.int()),
  readBytes: z.int(),
  changedBytes: z.int(),
  sentBytes: z.int(),
});
export type Interval = z.infer<typeof intervalSchema>;

/** What the site can be told to do, and what it then answers. */
export const SITE_ANSWERS = {
  /** Opens the application's volume and starts the application as soon as a lease is held. */
  'start-application': z.object({ how: z.string() }),
  /** Makes the application wait, and the volume stand still. */
  rest: writtenSchema,
  /** Lets the volume change again, while the application still waits. */
  thaw: z.null(),
  /** Lets the application go on. Can be repeated. */
  wake: z.null(),
  /** One interval of the replicator. `sentBytes` counts everything that was sent so far. */
  'interval-at-rest': intervalSchema,
  /** The same of a volume that may change while it is read. */
  interval: intervalSchema,
  /** Waits until the cloud has acknowledged everything. */
  acknowledged: z.object({ number: z.int(), sentBytes: z.int() }),
  /** Cuts the site off from the cloud, for good; `lastFile` is the newest that the application had written by then. */
  cut: z.object({ atWallMs: z.number(), lastFile: noteSchema.nullable() }),
  /** Until when the group's lease was held at the longest, and, once the application is gone, what it had written. */
  aftermath: z.object({ leaseUntilWallMs: z.number(), rows: z.int().nullable() }),
  /** Stops everything and leaves nothing mounted. */
  end: z.null(),
} as const;
export type SiteOrder = keyof typeof SITE_ANSWERS;
export type SiteAnswer<Order extends SiteOrder> = z.infer<(typeof SITE_ANSWERS)[Order]>;

const ORDERS = Object.keys(SITE_ANSWERS);

export const orderSchema = z.object({
  id: z.int(),
  order: z.custom<SiteOrder>((value) => typeof value === 'string' && ORDERS.includes(value)),
});
export type OrderMessage = z.infer<typeof orderSchema>;

/** What the site tells unasked. Times are wall time. */
const siteEventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('trouble'), text: z.string() }),
  z.object({ event: z.literal('started'), atWallMs: z.number(), term: z.int() }),
  z.object({ event: z.literal('asked-to-stop'), atWallMs: z.number(), reason: z.string() }),
  z.object({ event: z.literal('killed'), atWallMs: z.number() }),
  z.object({ event: z.literal('gone'), atWallMs: z.number(), how: z.string(), beforeDeadlineMs: z.number() }),
]);
export type SiteEvent = z.infer<typeof siteEventSchema>;

export const fromSiteSchema = z.union([
  siteEventSchema,
  z.object({ id: z.int(), result: z.unknown() }),
  z.object({ id: z.int(), failure: z.object({ code: z.string(), message: z.string() }) }),
]);
