/**
 * What infra/ is held to. Each check gives its findings as lines, none when all is well, and is tested on text that
 * breaks it (checks.test.ts).
 */
import { join } from 'node:path';
import { APP_ROLES, OPERATOR_ROLES, READER_ROLES } from '../../src/azure/permissions.ts';
import { itemTexts, properties } from './bicep.ts';
import type { BicepFile, ResourceUse } from './bicep.ts';

/** Names of the built-in roles by their ids. Source: "Azure built-in roles", documentation of Azure RBAC. */
export const BUILT_IN_ROLES: ReadonlyMap<string, string> = new Map([
  ['4633458b-17de-408a-b874-0445c86b69e6', 'Key Vault Secrets User'],
  ['3913510d-42f4-4e42-8a64-420c390055eb', 'Monitoring Metrics Publisher'],
  ['ba92f5b4-2d11-453d-a403-e96b0029c9fe', 'Storage Blob Data Contributor'],
  ['b7e6dc6d-f1e8-4753-8033-0f276bb0955b', 'Storage Blob Data Owner'],
  ['2a2b9908-6ea1-4ae2-8e65-a410df84e7d1', 'Storage Blob Data Reader'],
  ['974c5e8b-45b9-4653-ba55-5f855dd0fb88', 'Storage Queue Data Contributor'],
  ['c6a89b2d-59bc-44d0-9896-0f6e12d7b80a', 'Storage Queue Data Message Sender'],
  ['7ee386e9-84f0-448e-80a6-f185f6533131', 'Storage Queue Delegator'],
  ['0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3', 'Storage Table Data Contributor'],
]);

/**
 * Settings that the platform reads and src/app/settings.ts does not: the Functions host (its storage, the identity of
 * the trigger connection, telemetry), Node (NODE_OPTIONS) and @azure/identity (AZURE_CLIENT_ID).
 */
export const PLATFORM_SETTINGS: readonly string[] = [
  'AzureWebJobsStorage__accountName',
  'AzureWebJobsStorage__credential',
  'AzureWebJobsStorage__clientId',
  'LEEWARD_STORAGE__credential',
  'LEEWARD_STORAGE__clientId',
  'AZURE_CLIENT_ID',
  'APPLICATIONINSIGHTS_CONNECTION_STRING',
  'APPLICATIONINSIGHTS_AUTHENTICATION_STRING',
  'NODE_OPTIONS',
];

export function syntaxFindings(file: BicepFile): string[] {
  return file.syntaxErrors.map((error) => `${file.path}: syntax, ${error}`);
}

/** Parameters and outputs are described, parameters are used, names are declared. */
export function nameFindings(file: BicepFile): string[] {
  const undescribed = [...file.params, ...file.outputs].filter(({ description }) => !description);
  return [
    ...undescribed.map(({ name }) => `${file.path}: ${name} has no description`),
    ...file.unusedParams.map((name) => `${file.path}: parameter ${name} is not used`),
    ...file.undeclared.map((name) => `${file.path}: ${name} is declared nowhere`),
  ];
}

/** A secret is a secure parameter without a default, and leaves no file as an output. */
export function secretFindings(file: BicepFile): string[] {
  const looksSecret = /secret|password|token|connectionkey/i;
  const address = /(?:Uri|Url|Name)$/;
  const secrets = file.params.filter(({ name, secure }) => secure || (looksSecret.test(name) && !address.test(name)));
  return [
    ...secrets.filter(({ secure }) => !secure).map(({ name }) => `${file.path}: ${name} is not @secure()`),
    ...secrets.filter(({ hasDefault }) => hasDefault).map(({ name }) => `${file.path}: secret ${name} has a default`),
    ...file.outputs
      .filter(({ name }) => looksSecret.test(name) && !address.test(name))
      .map(({ name }) => `${file.path}: output ${name} would show a secret`),
  ];
}

/** Modules exist, are passed every parameter without a default and none that is not declared; used outputs exist. */
export function moduleFindings(file: BicepFile, files: readonly BicepFile[]): string[] {
  const findings: string[] = [];
  const bySymbol = new Map<string, BicepFile>();
  for (const use of file.modules) {
    const path = join(file.path, '..', use.path);
    const module = files.find((candidate) => candidate.path === path);
    if (!module) {
      findings.push(`${file.path}: module ${use.path} does not exist`);
      continue;
    }
    bySymbol.set(use.symbol, module);
    for (const { name } of module.params.filter(({ name, hasDefault }) => !hasDefault && !use.params.includes(name))) {
      findings.push(`${file.path}: ${use.symbol} is not passed ${name}`);
    }
    for (const name of use.params.filter((name) => !module.params.some((param) => param.name === name))) {
      findings.push(`${file.path}: ${use.symbol} is passed ${name}, which ${use.path} does not declare`);
    }
  }
  for (const { symbol, output } of file.outputsUsed) {
    const module = bySymbol.get(symbol);
    if (module && !module.outputs.some(({ name }) => name === output)) {
      findings.push(`${file.path}: ${symbol} has no output ${output}`);
    }
  }
  return findings;
}

/** Every required setting is set; nothing is set that neither the program nor the platform knows. */
export function settingFindings(
  settings: readonly string[],
  wanted: {
    readonly known: readonly string[];
    readonly required: readonly string[];
    readonly platform: readonly string[];
  },
): string[] {
  return [
    ...wanted.required.filter((name) => !settings.includes(name)).map((name) => `setting ${name} is missing`),
    ...settings
      .filter((name) => !wanted.known.includes(name) && !wanted.platform.includes(name))
      .map((name) => `setting ${name} is known to nobody`),
  ];
}

/** Two lists of names, apart from their order. */
export function listFindings(what: string, found: readonly string[], wanted: readonly string[]): string[] {
  return [
    ...wanted.filter((name) => !found.includes(name)).map((name) => `${what} ${name} is missing`),
    ...found.filter((name) => !wanted.includes(name)).map((name) => `${what} ${name} is too many`),
  ];
}

/** Role ids are those of the built-in roles whose names their constants bear. */
export function roleFindings(roleIds: ReadonlyMap<string, string>): string[] {
  return [...roleIds].flatMap(([constant, id]) => {
    const role = BUILT_IN_ROLES.get(id);
    if (role === undefined) return [`role ${constant}: ${id} is no known role`];
    const named = role.replaceAll(' ', '').replace(/^./, (letter) => letter.toLowerCase());
    return named === constant ? [] : [`role ${constant}: ${id} is ${role}`];
  });
}

/** Who is given which role on what: `principal: scope: role`. */
export function grants(file: BicepFile): string[] {
  return assignments(file).flatMap((assignment) => {
    const { roleDefinitionId, principalId } = Object.fromEntries(properties(assignment.properties.get('properties')));
    // A built-in role's id is completed by a function, whose last argument it is.
    const role = roleDefinitionId?.childForFieldName('arguments')?.namedChildren.at(-1) ?? roleDefinitionId;
    const { loop } = assignment;
    const written = role?.text ?? '';
    const roles = loop && written === loop.variable ? (file.arrays.get(loop.list) ?? []) : [written];
    const scope = assignment.properties.get('scope')?.text ?? file.targetScope;
    return roles.map((name) => `${principalId?.text ?? 'nobody'}: ${scope}: ${roleName(file, name)}`);
  });
}

function assignments(file: BicepFile): readonly ResourceUse[] {
  return file.resources.filter(({ type }) => type === 'Microsoft.Authorization/roleAssignments');
}

function roleName(file: BicepFile, written: string): string {
  const id = file.objects.get('roleIds')?.get(written.replace(/^roleIds\./, ''));
  return (id === undefined ? undefined : BUILT_IN_ROLES.get(id)) ?? written;
}

/** roles.bicep grants the roles that the code names and the import role; a person's only where there is one. */
export function grantFindings(roles: BicepFile): string[] {
  const wanted = (principal: string, byScope: Readonly<Record<string, readonly string[]>>): string[] =>
    Object.entries(byScope).flatMap(([scope, names]) => names.map((role) => `${principal}: ${scope}: ${role}`));
  const conditional = assignments(roles).filter(({ condition }) => condition !== undefined);
  const principal = (assignment: ResourceUse): string =>
    properties(assignment.properties.get('properties')).get('principalId')?.text ?? 'nobody';
  const people = assignments(roles).filter((assignment) => principal(assignment) !== APP);
  return [
    ...listFindings('role', grants(roles), [
      ...wanted(APP, APP_ROLES),
      `${APP}: storage: importRoleId`,
      ...wanted('operatorPrincipalId', OPERATOR_ROLES),
      ...wanted('readerPrincipalId', READER_ROLES),
    ]),
    ...listFindings('condition', conditional.map(symbolOf), people.map(symbolOf)),
    ...people
      .filter((assignment) => assignment.condition !== undefined)
      .filter((assignment) => assignment.condition !== `(!empty(${principal(assignment)}))`)
      .map(({ symbol, condition }) => `condition ${symbol} is ${condition ?? ''}`),
  ];
}

const APP = 'principalId';

function symbolOf({ symbol }: ResourceUse): string {
  return symbol;
}

/** A custom role allows the wanted actions, and nothing by its other lists. */
export function actionFindings(file: BicepFile, symbol: string, wanted: readonly string[]): string[] {
  const role = file.resources.find((resource) => resource.symbol === symbol);
  const permissions = properties(role?.properties.get('properties')).get('permissions')?.namedChildren ?? [];
  const list = (key: string): string[] =>
    permissions.flatMap((permission) => itemTexts(properties(permission).get(key)));
  return [
    ...listFindings(`${symbol}: action`, list('actions'), wanted),
    ...['notActions', 'dataActions', 'notDataActions'].flatMap((key) =>
      listFindings(`${symbol}: ${key}`, list(key), []),
    ),
  ];
}

/** The example of parameters gives what has no default, and nothing that main.bicep does not declare. */
export function parameterFileFindings(text: string, main: BicepFile): string[] {
  const given = [...text.matchAll(/^param (\w+) =/gm)].map(([, name = '']) => name);
  return [
    ...main.params
      .filter(({ name, hasDefault }) => !hasDefault && !given.includes(name))
      .map(({ name }) => `main.bicepparam does not give ${name}`),
    ...given
      .filter((name) => !main.params.some((param) => param.name === name))
      .map((name) => `main.bicepparam gives ${name}, which main.bicep does not declare`),
  ];
}
