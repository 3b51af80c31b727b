/** How busy a machine is, from files as Linux writes them, and where there are none. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SystemMetrics } from '../../src/system/metrics.ts';

test('load and pressures are read; what the kernel does not tell is left out', async (t) => {
  const proc = await mkdtemp(join(tmpdir(), 'leeward-metrics-'));
  t.after(async () => rm(proc, { recursive: true, force: true }));
  const metrics = new SystemMetrics(proc);
  assert.deepEqual(await metrics.read(), {});
  await writeFile(join(proc, 'loadavg'), '3.00 2.50 1.00 2/345 6789\n');
  await mkdir(join(proc, 'pressure'));
  const memory = 'some avg10=12.50 avg60=1.00 avg300=0.00 total=1\nfull avg10=99.00 avg60=0.00 avg300=0.00 total=1\n';
  await writeFile(join(proc, 'pressure/memory'), memory);
  await writeFile(join(proc, 'pressure/io'), 'nothing of the kind\n');
  assert.deepEqual(await metrics.read(), { loadPerCore: 3 / availableParallelism(), memoryPressure: 0.125 });
});
