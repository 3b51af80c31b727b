/** Generations that nobody needs any more: what upkeep removes later. */
import { currentGeneration, isReady, withGeneration } from '../../documents/volume.ts';
import type { Generation, VolumeDocument } from '../../documents/volume.ts';

/**
 * Marks the generations that nobody needs. They are never needed again: what is offered and what is current only go up, so
 * neither their points nor their properties are told any more, which bounds the document. Undefined where there is none.
 */
export function retireIdle(document: VolumeDocument, nowMs: number): VolumeDocument | undefined {
  const idle = Object.values(document.generations).filter(
    (generation) => generation.retiredAtMs === undefined && !isNeeded(document, generation),
  );
  if (idle.length === 0) return undefined;
  return idle.reduce((now, generation) => {
    const retiredPoints = generation.snapshots.length;
    const retired = { retiredAtMs: nowMs, retiredPoints, snapshots: [], properties: {} };
    return withGeneration(now, { ...generation, ...retired });
  }, document);
}

/** Deltas are taken for it, it is offered, or what deltas are taken for is being made of it. */
function isNeeded(document: VolumeDocument, { generation, replica }: Generation): boolean {
  const current = currentGeneration(document);
  const isSource = !isReady(current) && current.base?.source?.blob === replica.blob;
  return generation === document.current || generation === document.published || isSource;
}
