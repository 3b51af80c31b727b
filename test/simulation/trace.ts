/** What happens in a simulated world, in lines for a look at a seed that failed. */
import { z } from 'zod';
import { currentGeneration, volumeSchema } from '../../src/documents/volume.ts';
import { signedMessageSchema } from '../../src/protocol/signed.ts';

/** A volume's document in a line; empty for any other. */
export function summary(text: string): string {
  const parsed = volumeSchema.safeParse(JSON.parse(text));
  if (!parsed.success) return '';
  const document = parsed.data;
  const { generation, applied, claim, tip, beyond, epoch, cut, base, snapshots } = currentGeneration(document);
  const asks = document.resend.map(({ number, form }) => `${number} ${form}`).join(', ');
  const points = snapshots.map(({ number, verifiedAtMs }) => `${number}${verifiedAtMs === undefined ? '' : '!'}`);
  const { published, reseed, repair, verification, compared } = document;
  return [
    `generation ${generation} (${published ?? '-'}), epoch ${epoch}`,
    `applied ${applied.number}, claim ${claim?.number ?? '-'}, tip ${tip.number}, beyond ${beyond}`,
    `cut ${cut?.number ?? '-'}, asks [${asks}], points [${points.join()}]`,
    ...(base ? [`base ${base.from} ${base.phase}${base.list === null ? '' : ' listed'} ${base.next}`] : []),
    ...(reseed ? [`next from ${reseed.from}`] : []),
    ...(verification ? [`comparing ${verification.number} at ${verification.next}`] : []),
    ...(compared ? [`compared ${compared.number}: ${compared.differingBytes}`] : []),
    ...(repair ? [`repair ${repair.id}`] : []),
  ].join(', ');
}

const namesSchema = z.looseObject({ volume: z.string(), number: z.int(), entry: z.string().optional() });

/** Which delta or list a message carries. */
export function envelopeOf(text: string): string {
  const { payload } = signedMessageSchema.parse(JSON.parse(text));
  const { volume, number, entry = 'inline' } = namesSchema.parse(JSON.parse(payload));
  return `${volume} ${number} ${entry.slice(-22)}`;
}
