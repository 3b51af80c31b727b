/** What the acts of the demo share. */
import type { Storage } from '../app/storage.ts';
import type { Clock } from '../kernel/clock.ts';
import type { VolumeRef } from '../kernel/ids.ts';
import type { StackFacts } from '../local/stack/stack.ts';
import type { CleanUp } from './clean-up.ts';
import type { Progress } from './progress.ts';
import type { DemoVolume } from './volume.ts';

/** `power-cut`: everything at the site ends at once. `partition`: only its line to the cloud is cut. */
export const SCENARIOS = ['power-cut', 'partition'] as const;
export type Scenario = (typeof SCENARIOS)[number];

export interface Stage {
  /** Name of this run of the demo. */
  readonly name: string;
  /** The project's own folder. */
  readonly project: string;
  /** How the site fails. */
  readonly scenario: Scenario;
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
