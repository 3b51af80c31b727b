/** Reading leeward.yaml: its words by their schema, and what no part of it shows alone. */
import { parseConfigFile } from '../../kernel/config-file.ts';
import { siteFaults } from './config-checks.ts';
import { configSchema } from './config.ts';
import type { SiteConfig } from './config.ts';

/**
 * Reads the text of `file`, for a site with these volumes, each GROUP/VOLUME; undefined where they are not known, as on a node
 * that has only a guard. Throws USAGE that tells each fault in a line of its own: file, line, where in it, what is wrong.
 */
export function parseConfig(file: string, text: string, volumes: readonly string[] | undefined): SiteConfig {
  return parseConfigFile(file, text, { schema: configSchema, check: (config) => siteFaults(config, volumes) });
}
