#!/usr/bin/env node
/** `leeward` in a checkout: with the local stack and the demo, which need the project's own files. */
import project from '../../package.json' with { type: 'json' };
import { addDemo } from './commands/demo.ts';
import { addLocal } from './commands/local.ts';
import { runLeeward } from './program.ts';

await runLeeward(project.version, [addLocal, addDemo]);
