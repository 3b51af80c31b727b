/** infra/ against its own grammar and against the names and settings of the code. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { settingsSchema } from '../../src/app/settings.ts';
import { IMPORT_ACTIONS, OBSERVER_ROLES, RUN_ACTIONS } from '../../src/azure/permissions.ts';
import { CONTAINERS, QUEUES } from '../../src/kernel/names.ts';
import { readBicep, stringText } from './bicep.ts';
import type { BicepFile } from './bicep.ts';
import {
  PLATFORM_SETTINGS,
  actionFindings,
  grantFindings,
  grants,
  listFindings,
  moduleFindings,
  nameFindings,
  parameterFileFindings,
  roleFindings,
  secretFindings,
  settingFindings,
  syntaxFindings,
} from './checks.ts';

const root = join(import.meta.dirname, '../..');
const text = (path: string): string => readFileSync(join(root, path), 'utf8');
const files = globSync('infra/**/*.bicep', { cwd: root }).map((path) => readBicep(path, text(path)));

function fileNamed(path: string): BicepFile {
  const file = files.find((candidate) => candidate.path === path);
  assert.ok(file, `${path} is not there`);
  return file;
}

test('infra/ has its files', () => {
  assert.ok(files.length > 5, `only ${files.length} files`);
});

test('every file parses', () => {
  assert.deepEqual(files.flatMap(syntaxFindings), []);
});

test('every parameter and output is described, every parameter used, every name declared', () => {
  assert.deepEqual(files.flatMap(nameFindings), []);
});

test('no secret has a default or is shown', () => {
  assert.deepEqual(files.flatMap(secretFindings), []);
  for (const secret of ['keySecret', 'webhooks', 'observe']) {
    assert.ok(
      fileNamed('infra/main.bicep').params.some(({ name, secure }) => name === secret && secure),
      `${secret} is no secure parameter of main.bicep`,
    );
  }
});

test('modules exist, with the parameters and outputs that are used, and none is left over', () => {
  assert.deepEqual(
    files.flatMap((file) => moduleFindings(file, files)),
    [],
  );
  const used = files.flatMap((file) => file.modules.map(({ path }) => join(file.path, '..', path)));
  const modules = files.map(({ path }) => path).filter((path) => path.startsWith('infra/modules/'));
  assert.deepEqual(listFindings('module', used, modules), []);
});

test('the settings are those of src/app/settings.ts', () => {
  const schema = z.toJSONSchema(settingsSchema, { io: 'input' });
  const settings = fileNamed('infra/modules/function-app.bicep').appSettings;
  const findings = settingFindings([...settings.keys()], {
    known: Object.keys(schema.properties ?? {}),
    // Of the two ways to name the storage account, the cloud takes the one without a key.
    required: [...(schema.required ?? []), 'LEEWARD_STORAGE__accountName', ...PLATFORM_SETTINGS],
    platform: PLATFORM_SETTINGS,
  });
  assert.deepEqual(findings, []);
  assert.ok(!settings.has('LEEWARD_STORAGE'), 'a connection string is a credential');
  for (const secret of ['LEEWARD_KEY_SECRET', 'LEEWARD_WEBHOOKS']) {
    assert.match(settings.get(secret) ?? '', /^'@Microsoft\.KeyVault\(SecretUri=/);
  }
});

test("an observer's settings are its own two, a reference, and the platform's: nothing of the control plane", () => {
  const settings = fileNamed('infra/modules/observer-app.bicep').appSettings;
  const own = [...settings.keys()].filter((name) => !PLATFORM_SETTINGS.includes(name));
  assert.deepEqual(own, ['LEEWARD_OBSERVE', 'LEEWARD_OBSERVE_SCHEDULE']);
  for (const name of own) assert.ok(name in settingsSchema.shape, name);
  assert.match(settings.get('LEEWARD_OBSERVE') ?? '', /^'@Microsoft\.KeyVault\(SecretUri=/);
});

test('an observer is deployed where a region is given for it, and not without', () => {
  const main = text('infra/main.bicep');
  assert.match(main, /module observer 'modules\/observer\.bicep' = if \(!empty\(observerLocation\)\) \{/);
  assert.match(main, /resource observerGroup '[^']+' = if \(!empty\(observerLocation\)\) \{/);
});

test('containers and queues are those of src/kernel/names.ts', () => {
  const { arrays } = fileNamed('infra/modules/storage.bicep');
  assert.deepEqual(listFindings('container', arrays.get('containers') ?? [], Object.values(CONTAINERS)), []);
  assert.deepEqual(listFindings('queue', arrays.get('queues') ?? [], Object.values(QUEUES)), []);
});

test('role ids bear the names of their roles', () => {
  const roleIds = fileNamed('infra/modules/roles.bicep').objects.get('roleIds') ?? new Map<string, string>();
  assert.ok(roleIds.size > 0, 'no role ids found');
  assert.deepEqual(roleFindings(roleIds), []);
});

test('the built-in roles are those that src/azure/permissions.ts needs', () => {
  assert.deepEqual(grantFindings(fileNamed('infra/modules/roles.bicep')), []);
});

test("an observer's roles are those that src/azure/permissions.ts names, on resources of its own", () => {
  const file = fileNamed('infra/modules/observer-roles.bicep');
  const wanted = Object.entries(OBSERVER_ROLES).flatMap(([scope, roles]) =>
    roles.map((role) => `principalId: ${scope}: ${role}`),
  );
  assert.deepEqual(listFindings('role', grants(file), wanted), []);
  assert.deepEqual(roleFindings(file.objects.get('roleIds') ?? new Map()), []);
});

test('the custom roles allow the actions that src/azure/permissions.ts needs, and are assigned', () => {
  const file = fileNamed('infra/modules/recovery-role.bicep');
  assert.deepEqual(actionFindings(file, 'runRole', RUN_ACTIONS), []);
  assert.deepEqual(actionFindings(file, 'importRole', IMPORT_ACTIONS), []);
  assert.deepEqual(grants(file), ['principalId: subscription: runRole.id']);
});

test('no other file gives roles', () => {
  const giving = files.filter((file) => grants(file).length > 0).map(({ path }) => path);
  assert.deepEqual(giving.sort(), [
    'infra/modules/observer-roles.bicep',
    'infra/modules/recovery-role.bicep',
    'infra/modules/roles.bicep',
  ]);
});

test("an operator's roles are on the container of the state and the queue of the orders", () => {
  const { resources } = fileNamed('infra/modules/roles.bicep');
  const nameOf = (symbol: string): string =>
    stringText(resources.find((resource) => resource.symbol === symbol)?.properties.get('name') ?? null);
  assert.equal(nameOf('stateContainer'), CONTAINERS.state);
  assert.equal(nameOf('failoverQueue'), QUEUES.failover);
});

test('operator, reader, mail and observer are optional', () => {
  for (const optional of ['operatorPrincipalId', 'readerPrincipalId', 'alertEmail', 'observerLocation']) {
    const parameter = fileNamed('infra/main.bicep').params.find(({ name }) => name === optional);
    assert.equal(parameter?.hasDefault, true, optional);
  }
});

test('a reader may only read, and only state; nobody is given a role for answering', () => {
  const people = grants(fileNamed('infra/modules/roles.bicep')).filter((grant) => !grant.startsWith('principalId:'));
  assert.deepEqual(
    people.filter((grant) => grant.startsWith('reader')),
    ['readerPrincipalId: stateContainer: Storage Blob Data Reader'],
  );
  assert.deepEqual(
    people.filter((grant) => !/^(reader|operator)PrincipalId:/.test(grant)),
    [],
  );
});

test('mail is sent by the line that notify writes, and by each line once', () => {
  const module = text('infra/modules/email.bicep');
  assert.ok(text('functions/notify.ts').includes('context.warn(`leeward notice ${line}`)'));
  assert.match(module, /startswith "leeward notice " \| summarize Lines = count\(\) by Message/);
  assert.match(module, /autoMitigate: true/);
  assert.match(text('infra/main.bicep'), /module email 'modules\/email\.bicep' = if \(!empty\(alertEmail\)\)/);
});

test('the storage accounts take neither keys nor anonymous readers nor old TLS', () => {
  for (const path of ['infra/modules/storage.bicep', 'infra/modules/host-storage.bicep']) {
    const source = text(path);
    for (const line of ['allowSharedKeyAccess: false', 'allowBlobPublicAccess: false', "minimumTlsVersion: 'TLS1_2'"]) {
      assert.ok(source.includes(line), `${path} does not say ${line}`);
    }
  }
});

test('the example of parameters fits main.bicep', () => {
  assert.deepEqual(parameterFileFindings(text('infra/main.bicepparam'), fileNamed('infra/main.bicep')), []);
});
