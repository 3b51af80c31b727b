/** A part: the real site makes the first copy of its volume and waits until the replica has it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { openSite } from '../../src/app/site.ts';
import { MIB } from '../../src/kernel/units.ts';
import { parseSiteAccess } from '../../src/site/send/access.ts';
import { readPrivateFile } from '../../src/system/private-file.ts';
import { intercept } from '../../test/support/memory/intercept.ts';
import { partArgument, partResult, spending } from './part.ts';

/** How often the cloud is asked how far it came: often enough not to count, seldom enough not to cost. */
const ASK_MS = 250;

/** The volume is smaller than those that are written as raw pages without being told. */
const DIRECT_FROM_BYTES = { direct: 512 * MIB, queue: Infinity };

const { accessFile, folder, transport } = partArgument(
  z.object({ accessFile: z.string(), folder: z.string(), transport: z.enum(['direct', 'queue']) }),
);
/** When it had sent its deltas, and their bytes; when the last raw pages were written, 0 where none were. */
const sent = { storedMs: 0, storedBytes: 0, pagesMs: 0 };
let beganMs = 0;
const site = await openSite({
  folder,
  access: parseSiteAccess(await readPrivateFile(accessFile)),
  replication: { directFromBytes: DIRECT_FROM_BYTES[transport], pollMs: ASK_MS },
  wrapLink: (link) =>
    intercept(link, async ({ method, proceed }) => {
      const answer = await proceed();
      if (method === 'putPages') sent.pagesMs = performance.now() - beganMs;
      return answer;
    }),
});
const [replicator] = site.replicators;
if (!replicator) throw new Error('the site has no volume');
beganMs = performance.now();
const spent = await spending(async () => {
  const { storedBytes, unsent } = await replicator.replicateOnce();
  if (unsent) throw unsent;
  sent.storedMs = performance.now() - beganMs;
  sent.storedBytes = storedBytes;
  for (;;) {
    await site.siteLink.round();
    const { appliedNumber, storedNumber } = replicator.status();
    if (appliedNumber === storedNumber) return;
    await sleep(ASK_MS);
  }
});
await site.close();
partResult({ ...spent, ...sent });
