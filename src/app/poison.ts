/** Who judges what lies in which poison queue. */
import { isSoundOrder } from '../failover/orders.ts';
import { QUEUES } from '../kernel/names.ts';
import { setAside } from '../replica/intake/aside.ts';
import type { Ingest } from '../replica/intake/ingest.ts';
import type { JudgedQueue } from '../replica/rounds/poison.ts';
import type { Storage } from './storage.ts';

/** Every queue that a function listens on. */
export function judgedQueues(
  storage: Pick<Storage, 'keySecret' | 'entries' | 'account' | 'clock'>,
  ingest: Pick<Ingest, 'isSound' | 'setAside'>,
): readonly JudgedQueue[] {
  const deltas = [QUEUES.deltas, QUEUES.bulk].map((queue) => ({
    queue,
    isSound: async (text: string) => ingest.isSound(text),
    setAside: async (body: string) => ingest.setAside(body),
  }));
  const failover = {
    queue: QUEUES.failover,
    isSound: async (text: string) => isSoundOrder(storage.keySecret, text),
    setAside: async (body: string) => {
      await setAside(storage.entries, storage.account, {
        site: undefined,
        body: Buffer.from(body),
        code: 'MESSAGE_INVALID',
        reason: 'neither a ticket of a run nor an order that is rightly signed',
        atMs: storage.clock.wallMs(),
      });
    },
  };
  return [...deltas, failover];
}
