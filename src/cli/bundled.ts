/** `leeward` as a site has it, from the bundle that scripts/bundle.ts makes: all but the local stack and the demo. */
import { runLeeward } from './program.ts';

await runLeeward([]);
