/** What the acts of the demo share. */
import type { Storage } from '../app/storage.ts';
import type { Clock } from '../kernel/clock.ts';
import type { VolumeRef } from '../kernel/ids.ts';
import type { StackFacts } from '../local/stack/stack.ts';
import type { CleanUp } from './clean-up.ts';
import type { Progress } from './progress.ts';
import type { DemoVolume } from './volume.ts';

export interface Stage {
  /** Name of this run of the demo. */
  readonly name: string;
  /** The demo's own folder. */
  readonly folder: string;
  readonly clock: Clock;
  readonly progress: Progress;
  readonly cleanUp: CleanUp;
  /** Aborted when the user has had enough. */
  readonly signal: AbortSignal;
  readonly facts: StackFacts;
  /** Address of the function app, without /api. */
  readonly functionsUrl: string;
  readonly storage: Storage;
  readonly ref: VolumeRef;
  readonly volume: DemoVolume;
}
