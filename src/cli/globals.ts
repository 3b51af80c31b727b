/** Options that every command has, and where the command finds things because of them. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import type { SiteRef } from '../kernel/ids.ts';
import { folder } from './arguments.ts';
import { createOutput } from './output.ts';
import type { Output } from './output.ts';

const globalsSchema = z.object({ json: z.boolean().default(false), state: z.string().default('.leeward') });

export function addGlobals(program: Command): void {
  program
    .option('--json', 'print the result as one JSON document on stdout', false)
    .option('--state <folder>', 'folder of the local stack and of the sites kept here', folder, '.leeward');
}

/** The output that the command was asked for. */
export function outputOf(command: Command): Output {
  return createOutput(globalsSchema.parse(command.optsWithGlobals()).json);
}

/** Where things are kept on this machine. */
export interface Places {
  /** What all of it lies in. */
  readonly state: string;
  /** The local stack. */
  readonly stack: string;
  /** A site's access file, counters, indexes and outboxes. */
  site(site: SiteRef): string;
  /** Where a site's agent listens to guards. */
  agentSocket(site: SiteRef): string;
  /** All sites kept here. */
  readonly sites: string;
}

export function placesOf(command: Command): Places {
  const state = resolve(globalsSchema.parse(command.optsWithGlobals()).state);
  const sites = join(state, 'sites');
  const site = (of: SiteRef): string => join(sites, of.tenant, of.site);
  return { state, stack: join(state, 'local'), sites, site, agentSocket: (of) => join(site(of), 'agent.sock') };
}
