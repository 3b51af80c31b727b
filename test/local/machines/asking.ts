/** Asking a machine over HTTP. */
import { setTimeout as sleep } from 'node:timers/promises';

/** What `url` answers. Rejects when nobody does. */
export async function answer(url: string): Promise<{ status: number; text: string; bytes: Buffer }> {
  const response = await fetch(url, { signal: AbortSignal.timeout(60_000) });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, text: bytes.toString('utf8'), bytes };
}

/** Waits until `url` answers 200, and gives its text. */
export async function untilUp(url: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
      if (response.status === 200) return await response.text();
    } catch (error) {
      if (attempt === 300) throw error;
    }
    await sleep(100);
  }
}
