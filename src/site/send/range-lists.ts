/**
 * Hands a volume's range list to the cloud: first the entry, then the message that names it.
 *
 * Invariant: an entry's name holds its own hash, so that doing it again, also after a crash in between, does no harm.
 */
import { sha256Hex } from '../../kernel/hash.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { rangesEntry } from '../../kernel/names.ts';
import type { VolumeAnswer } from '../../protocol/heartbeat.ts';
import { encodeRangeList } from '../../ranges/list.ts';
import type { RangeList } from '../../ranges/list.ts';
import type { SiteAgent } from './agent.ts';

/** Errors: those of {@link SiteAgent}.putEntry and sendRanges. */
export async function sendRangeList(
  agent: Pick<SiteAgent, 'putEntry' | 'sendRanges'>,
  of: { readonly volume: VolumeRef; readonly queue: VolumeAnswer['queue']; readonly list: RangeList },
): Promise<void> {
  const { volume, generation, number, digest } = of.list;
  const bytes = encodeRangeList(of.list);
  const entry = rangesEntry(of.volume, { generation, number, sha256: sha256Hex(bytes) });
  await agent.putEntry(entry, bytes);
  await agent.sendRanges(of.queue, { volume, generation, number, digest, entry });
}
