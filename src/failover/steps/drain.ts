/** drain: what the chains hold up to their cuts is applied, a bounded piece of it each time. */
import { volumesOfGroup } from '../volumes.ts';
import type { Step } from '../ports.ts';

export const drain: Step = async ({ ports, group, plan }) => {
  const volumes = await volumesOfGroup(ports.documents, group, plan);
  const left: string[] = [];
  for (const volume of volumes) {
    if ((await ports.volumes.drain(volume)) === 'more') left.push(volume.volume);
  }
  if (left.length === 0) return { kind: 'done', detail: `${volumes.length} volume(s) are applied up to their cuts` };
  return { kind: 'again', afterMs: 0, detail: `still to be applied: ${left.join(', ')}` };
};
