#!/usr/bin/env node
/** `leeward` in a checkout: with the local stack and the demo, which need the project's own files. */
import { addDemo } from './commands/demo.ts';
import { addLocal } from './commands/local.ts';
import { runLeeward } from './program.ts';

await runLeeward([addLocal, addDemo]);
