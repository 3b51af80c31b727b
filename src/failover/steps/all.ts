/** The steps by their names. */
import type { RunStep } from '../../documents/run.ts';
import type { Step } from '../ports.ts';
import { close } from './close.ts';
import { disk } from './disk.ts';
import { drain } from './drain.ts';
import { end } from './end.ts';
import { health } from './health.ts';
import { machine } from './machine.ts';
import { point } from './point.ts';
import { reserve } from './reserve.ts';
import { wait } from './wait.ts';

export const STEPS: Readonly<Record<RunStep, Step>> = {
  reserve,
  close,
  wait,
  end,
  drain,
  point,
  disk,
  machine,
  health,
};
