/**
 * The app's settings: plain environment variables, and what bindings say about them.
 *
 * Invariants: a variable that is already set wins over local.settings.json, as with Core Tools; a setting's value is
 * never part of an error, its name always is.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { LeewardError } from '../../kernel/errors.ts';

/** Environment variables, or a test's own. */
export type Environment = Record<string, string | undefined>;

const localSettings = z.looseObject({
  IsEncrypted: z.literal(false).optional(),
  Values: z.record(z.string(), z.string()).default({}),
});

/** Adds the `Values` of a local.settings.json to `environment`. Throws USAGE. */
export async function loadSettings(file: string, environment: Environment): Promise<void> {
  let data: unknown;
  try {
    data = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new LeewardError('USAGE', `settings file ${file} cannot be read as JSON`, { cause: error });
  }
  const parsed = localSettings.safeParse(data);
  if (!parsed.success) {
    const paths = parsed.error.issues.map((issue) => issue.path.join('.'));
    throw new LeewardError(
      'USAGE',
      `settings file ${file}: ${paths.join(', ')} must be as Core Tools write it, in plain`,
    );
  }
  for (const [name, value] of Object.entries(parsed.data.Values)) environment[name] ??= value;
}

/**
 * Replaces each `%NAME%` of a binding's property by the setting of that name. `where` names the property. Throws USAGE
 * for a setting that is missing. Source: "Azure Functions binding expression patterns", app settings.
 */
export function resolveExpression(text: string, where: string, environment: Environment): string {
  return text.replaceAll(/%([^%]+)%/g, (_, name: string) => {
    const value = environment[name];
    if (value === undefined)
      throw new LeewardError('USAGE', `${where} is "${text}", but the setting ${name} is missing`);
    return value;
  });
}

/** The connection that a binding without `connection`, and the host itself, uses. */
const HOST_CONNECTION = 'AzureWebJobsStorage';

/** Connection string of a binding's `connection`. Throws USAGE where only an identity could reach it. */
export function connectionString(connection: string | undefined, environment: Environment): string {
  const name = connection === undefined || connection === '' ? HOST_CONNECTION : connection;
  // Azure's host looks for the prefixed name first. Source: azure-webjobs-sdk, WebJobsConfigurationExtensions.
  const value = environment[`AzureWebJobs${name}`] ?? environment[name];
  if (value !== undefined && value !== '') return value;
  const byIdentity = Object.keys(environment).some((key) => key.startsWith(`${name}__`));
  throw new LeewardError(
    'USAGE',
    byIdentity
      ? `connection ${name} is given by identity, which exists only in Azure: set ${name} to a connection string`
      : `connection ${name} is missing: set ${name} to a storage account's connection string`,
  );
}
