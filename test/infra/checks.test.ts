/** Each check of infra/ finds what it is there to find. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { IMPORT_ACTIONS, RUN_ACTIONS } from '../../src/azure/permissions.ts';
import { readBicep } from './bicep.ts';
import {
  PLATFORM_SETTINGS,
  actionFindings,
  grantFindings,
  listFindings,
  moduleFindings,
  nameFindings,
  parameterFileFindings,
  roleFindings,
  secretFindings,
  settingFindings,
  syntaxFindings,
} from './checks.ts';

test('a syntax error is found with its line', () => {
  const broken = readBicep('a.bicep', "var a = 'x'\nresource b 'c@1' = {\n  name: 'x'\n");
  assert.equal(syntaxFindings(broken).length, 1);
  assert.match(syntaxFindings(readBicep('a.bicep', "var a = 'x'\nparam b string =\n")).join(), /line \d/);
  assert.deepEqual(syntaxFindings(readBicep('a.bicep', "var a = 'x'\n")), []);
});

test('an undescribed parameter or output, an unused parameter, an undeclared name are found', () => {
  const text = "param location string\n@description('')\nparam name string\noutput o string = '${name}${nam}'\n";
  assert.deepEqual(nameFindings(readBicep('a.bicep', text)), [
    'a.bicep: location has no description',
    'a.bicep: name has no description',
    'a.bicep: o has no description',
    'a.bicep: parameter location is not used',
    'a.bicep: nam is declared nowhere',
  ]);
});

test('keys, functions and loop variables are no undeclared names', () => {
  const text =
    "var list = ['a']\nresource r 'T@1' = [for item in list: {\n  name: toLower(item)\n  kind: list[0]\n}]\n";
  assert.deepEqual(nameFindings(readBicep('a.bicep', text)), []);
});

test('a secret that is not secure, has a default or is an output is found', () => {
  const text = "param keySecret string\n@secure()\nparam other string = 'x'\noutput token string = other\n";
  assert.deepEqual(secretFindings(readBicep('a.bicep', text)), [
    'a.bicep: keySecret is not @secure()',
    'a.bicep: secret other has a default',
    'a.bicep: output token would show a secret',
  ]);
});

test('a missing module, a wrong parameter and an unknown output are found', () => {
  const module = readBicep(
    'infra/modules/b.bicep',
    "param wanted string\nparam free string = 'x'\noutput id string = 'x'\n",
  );
  const text = [
    "module b 'modules/b.bicep' = {\n  name: 'b'\n  params: {\n    other: 1\n  }\n}",
    "module c 'modules/c.bicep' = {\n  name: 'c'\n}",
    'output x string = b.outputs.nothing',
    "output y string = '${b.outputs.id}/x'\n",
  ].join('\n');
  assert.deepEqual(moduleFindings(readBicep('infra/main.bicep', text), [module]), [
    'infra/main.bicep: b is not passed wanted',
    'infra/main.bicep: b is passed other, which modules/b.bicep does not declare',
    'infra/main.bicep: module modules/c.bicep does not exist',
    'infra/main.bicep: b has no output nothing',
  ]);
});

test('a missing and an unknown setting are found', () => {
  const text =
    "resource a 'T@1' = {\n  p: {\n    appSettings: [\n      {\n        name: 'LEEWARD_X'\n        value: 'v'\n      }\n    ]\n  }\n}\n";
  const settings = readBicep('a.bicep', text).appSettings;
  assert.deepEqual([...settings], [['LEEWARD_X', "'v'"]]);
  const wanted = { known: ['LEEWARD_Y'], required: ['LEEWARD_Y'], platform: PLATFORM_SETTINGS };
  assert.deepEqual(settingFindings([...settings.keys(), 'AZURE_CLIENT_ID'], wanted), [
    'setting LEEWARD_Y is missing',
    'setting LEEWARD_X is known to nobody',
  ]);
});

test('a missing and a superfluous queue are found', () => {
  const { arrays } = readBicep('a.bicep', "var queues = [\n  'one'\n  'two'\n]\n");
  assert.deepEqual(listFindings('queue', arrays.get('queues') ?? [], ['two', 'three']), [
    'queue three is missing',
    'queue one is too many',
  ]);
});

test('an unknown role id and one under another name are found', () => {
  const text =
    "var roleIds = {\n  storageBlobDataOwner: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'\n  made: '00000000-0000-0000-0000-000000000000'\n}\n";
  assert.deepEqual(roleFindings(readBicep('a.bicep', text).objects.get('roleIds') ?? new Map()), [
    'role storageBlobDataOwner: ba92f5b4-2d11-453d-a403-e96b0029c9fe is Storage Blob Data Contributor',
    'role made: 00000000-0000-0000-0000-000000000000 is no known role',
  ]);
});

const rolesText = readFileSync(join(import.meta.dirname, '../../infra/modules/roles.bicep'), 'utf8');
const customText = readFileSync(join(import.meta.dirname, '../../infra/modules/recovery-role.bicep'), 'utf8');

const rolesFindings = (text: string): string[] => grantFindings(readBicep('roles.bicep', text));

function customFindings(text: string): string[] {
  const file = readBicep('recovery-role.bicep', text);
  return [...actionFindings(file, 'runRole', RUN_ACTIONS), ...actionFindings(file, 'importRole', IMPORT_ACTIONS)];
}

/** The text with one part changed, which must be there. */
function changed(text: string, part: string, by: string): string {
  assert.ok(text.includes(part), `"${part}" is not there`);
  return text.replace(part, by);
}

test('a built-in role that is taken out of its list is found', () => {
  const lines = [...rolesText.matchAll(/^ {2}roleIds\.(\w+)\n/gm)];
  const names = lines.map(([, name]) => name);
  for (const name of ['storageBlobDataContributor', 'storageQueueDataContributor', 'storageQueueDelegator']) {
    assert.ok(names.includes(name), name);
  }
  for (const [line, name = ''] of lines) {
    const [finding = '', ...others] = rolesFindings(changed(rolesText, line, ''));
    assert.match(finding, /^role principalId: (storage|hostStorage): Storage .* is missing$/, name);
    assert.deepEqual(others, []);
  }
});

test('a role too many, on the wrong resource or of the wrong principal is found', () => {
  const more = changed(rolesText, '  roleIds.storageQueueDelegator\n', '$&  roleIds.storageBlobDataOwner\n');
  assert.deepEqual(rolesFindings(more), ['role principalId: storage: Storage Blob Data Owner is too many']);
  const elsewhere = changed(rolesText, '  scope: failoverQueue\n', '  scope: storage\n');
  assert.deepEqual(rolesFindings(elsewhere), [
    'role operatorPrincipalId: failoverQueue: Storage Queue Data Message Sender is missing',
    'role operatorPrincipalId: storage: Storage Queue Data Message Sender is too many',
  ]);
  const everyone = changed(rolesText, '    principalId: operatorPrincipalId\n', '    principalId: principalId\n');
  assert.deepEqual(rolesFindings(everyone), [
    'role operatorPrincipalId: stateContainer: Storage Blob Data Contributor is missing',
    'role principalId: stateContainer: Storage Blob Data Contributor is too many',
    'condition operatorStateAssignment is too many',
  ]);
});

test('every assignment that is taken out is found', () => {
  const resources = rolesText.match(/^resource \w+ 'Microsoft\.Authorization\/roleAssignments@[^]*?^[}\]]\n/gm) ?? [];
  assert.equal(resources.length, 9);
  for (const resource of resources) {
    assert.match(rolesFindings(changed(rolesText, resource, '')).join('\n'), / is missing$/, resource);
  }
});

test("an operator's role without its condition, or with another, is found", () => {
  const condition = 'if (!empty(operatorPrincipalId)) ';
  assert.deepEqual(rolesFindings(changed(rolesText, condition, '')), ['condition operatorStateAssignment is missing']);
  assert.deepEqual(rolesFindings(changed(rolesText, condition, 'if (empty(operatorPrincipalId)) ')), [
    'condition operatorStateAssignment is (empty(operatorPrincipalId))',
  ]);
});

test('an action that is taken out of a custom role is found', () => {
  const lines = [...customText.matchAll(/^ {10}'(Microsoft\.[\w./]+)'\n/gm)];
  const actions = lines.map(([, action]) => action);
  for (const action of ['Compute/virtualMachines/write', 'Compute/disks/write', 'Network/networkInterfaces/write']) {
    assert.ok(actions.includes(`Microsoft.${action}`), action);
  }
  for (const [line, action = ''] of lines) {
    const [finding = '', ...others] = customFindings(changed(customText, line, ''));
    assert.ok(finding.endsWith(`Role: action ${action} is missing`), finding);
    assert.deepEqual(others, []);
  }
});

test('what a custom role has besides is found', () => {
  const more = changed(customText, '        actions: [\n', "$&          'Microsoft.Compute/*'\n");
  assert.deepEqual(customFindings(more), ['runRole: action Microsoft.Compute/* is too many']);
  for (const key of ['notActions', 'dataActions', 'notDataActions']) {
    const filled = changed(customText, `        ${key}: []`, `        ${key}: [\n          'A/b'\n        ]`);
    assert.deepEqual(customFindings(filled), [`runRole: ${key} A/b is too many`]);
  }
});

test('a parameter file that gives too little or too much is found', () => {
  const main = readBicep('main.bicep', "param location string\nparam name string = 'x'\n");
  assert.deepEqual(parameterFileFindings("using './main.bicep'\n\nparam place = 'x'\n", main), [
    'main.bicepparam does not give location',
    'main.bicepparam gives place, which main.bicep does not declare',
  ]);
});
