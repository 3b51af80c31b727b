/**
 * Loads an app folder the way Azure's Node worker does: package.json's `main`, a file or a glob, is imported, and what
 * it registers on the way is all there is.
 *
 * Invariants: the app's own `@azure/functions` is used, from source or from a bundle; top-level await is waited for; an
 * entry point that throws leaves no function behind.
 */
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import { parseHostJson } from './host-json.ts';
import type { HostSettings } from './host-json.ts';
import type { ProgrammingModel } from './programming-model.ts';
import { registry } from './registry.ts';
import type { Registration } from './registry.ts';

/** A loaded app. */
export interface App {
  readonly folder: string;
  readonly settings: HostSettings;
  readonly registrations: readonly Registration[];
  /** Undefined for an app that registered nothing. */
  readonly model: ProgrammingModel | undefined;
}

const packageJson = z.looseObject({ main: z.string().min(1) });

/** Answers `@azure/functions-core` with `core.ts`, for import and require alike, from now on in this process. */
function supplyCore(): void {
  const url = new URL('./core.ts', import.meta.url).href;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (specifier === '@azure/functions-core') return { url, shortCircuit: true };
      return nextResolve(specifier, context);
    },
  });
}

/** Loads the app in `folder`; once in a process. Throws USAGE that names the file at fault, and keeps its cause. */
export async function loadApp(folder: string, options: { development: boolean }): Promise<App> {
  const settings = parseHostJson(await readAppFile(folder, 'host.json'), options);
  const entries = await entryPoints(folder);
  supplyCore();
  for (const entry of entries) {
    try {
      await import(pathToFileURL(join(folder, entry)).href);
    } catch (error) {
      throw new LeewardError('USAGE', `entry point ${entry} failed to load, so no function runs`, { cause: error });
    }
  }
  const registrations = registry.close();
  const model = registry.programmingModel();
  const capabilities = (await model?.getCapabilities({})) ?? {};
  if ('HttpUri' in capabilities) {
    throw new LeewardError('USAGE', 'the app enables HTTP streaming, which the local host does not have');
  }
  return { folder, settings, registrations, model };
}

async function entryPoints(folder: string): Promise<string[]> {
  let data: unknown;
  try {
    data = JSON.parse(await readAppFile(folder, 'package.json'));
  } catch (error) {
    throw new LeewardError('USAGE', `package.json in ${folder} cannot be used`, { cause: error });
  }
  const parsed = packageJson.safeParse(data);
  if (!parsed.success) {
    throw new LeewardError('USAGE', `package.json in ${folder} names no entry point: set "main" to a file or a glob`);
  }
  const found = globSync(parsed.data.main, { cwd: folder }).sort();
  if (found.length === 0) {
    throw new LeewardError('USAGE', `package.json in ${folder}: "main" is ${parsed.data.main}, and no file matches`);
  }
  return found;
}

async function readAppFile(folder: string, name: string): Promise<string> {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (error) {
    throw new LeewardError('USAGE', `${name} is missing in the app folder ${folder}: ${describeError(error)}`);
  }
}
