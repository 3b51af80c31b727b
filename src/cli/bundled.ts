/** `leeward` as a site has it, from the bundle that scripts/bundle.ts makes: all but the local stack and the demo. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runLeeward } from './program.ts';

// This lies in lib/ of the bundle.
const version = readFileSync(join(import.meta.dirname, '../VERSION'), 'utf8').trim();

await runLeeward(version, []);
