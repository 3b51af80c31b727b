/** What runs at a site under the agent's eyes, put together on this machine. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import type { GuardDesk } from '../ports/guard-desk.ts';
import type { KeptTexts } from '../ports/kept-texts.ts';
import { guardSocketOf } from '../site/agent/config.ts';
import type { SiteConfig } from '../site/agent/config.ts';
import { SiteWatch } from '../site/agent/site-watch.ts';
import { isLocked } from '../system/folder-lock.ts';
import { GuardFiles } from '../system/guard/files.ts';
import { GuardSocket } from '../system/guard/guard-socket.ts';
import { QmpMachineControl } from '../system/machine-control/qmp.ts';
import { SystemMetrics } from '../system/metrics.ts';
import { bootId } from '../system/processes.ts';
import { SystemProber } from '../system/probes/prober.ts';
import { TextFolder } from '../system/text-folder.ts';
import { guardFolder } from './guard-process.ts';
import { marksOf } from './offline.ts';

export interface SiteWatchPlace {
  /** tenant/site */
  readonly site: string;
  /** The site's folder. */
  readonly folder: string;
  readonly config: SiteConfig;
  readonly clock: Clock;
  /** What happens, one line each, for people. */
  readonly tell: (line: string) => void;
}

/** The site's own decisions. */
export function siteDecisions(folder: string): KeptTexts {
  return new TextFolder(join(folder, 'decisions'));
}

/**
 * Whether the node is this machine: a guard of it runs here now. A folder alone says nothing: `leeward guard add` makes one on
 * the operator's machine, and folders are copied.
 */
export function isNodeHere(folder: string, node: string): boolean {
  const own = nodeFolder(folder, node);
  return existsSync(own) && readdirSync(own).some((group) => isLocked(guardFolder(own, group)));
}

/**
 * Whether the group's guard on the node has ever run on this machine, be it down now. Unlike {@link isNodeHere} it goes by the
 * folder alone, so that a guard that is down for a moment is still asked; a copied folder counts, too, but all that comes of
 * it is a question to a socket at which nobody answers.
 */
export function hasGuardRunHere(folder: string, group: string, node: string): boolean {
  return existsSync(guardFolder(nodeFolder(folder, node), group));
}

/** The desk of a group's guard on a node: of another machine by its socket, of this one by its folder; else undefined. */
export function deskOf(
  of: Pick<SiteWatchPlace, 'folder' | 'config'>,
  group: string,
  node: string,
): GuardDesk | undefined {
  const elsewhere = guardSocketOf(of.config, group, node);
  if (elsewhere !== undefined) return new GuardSocket(elsewhere);
  if (!hasGuardRunHere(of.folder, group, node)) return undefined;
  const files = new GuardFiles(guardFolder(nodeFolder(of.folder, node), group));
  return new GuardSocket(files.path('socket'));
}

/** Opens it, with everything that is on record. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
export async function openSiteWatch(place: SiteWatchPlace): Promise<SiteWatch> {
  const { folder } = place;
  return SiteWatch.open({
    ...place,
    bootId: bootId(),
    prober: new SystemProber(),
    deskOf: (group, node) => deskOf(place, group, node),
    controlOf: (qmp) => new QmpMachineControl(qmp),
    metrics: new SystemMetrics(),
    isHere: (node) => isNodeHere(folder, node),
    records: new TextFolder(join(folder, 'watched')),
    decisions: siteDecisions(folder),
    marks: marksOf(folder),
  });
}

function nodeFolder(folder: string, node: string): string {
  return join(folder, 'guards', node);
}
