/** Each check of infra/ finds what it is there to find. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readBicep } from './bicep.ts';
import {
  PLATFORM_SETTINGS,
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

test('a parameter file that gives too little or too much is found', () => {
  const main = readBicep('main.bicep', "param location string\nparam name string = 'x'\n");
  assert.deepEqual(parameterFileFindings("using './main.bicep'\n\nparam place = 'x'\n", main), [
    'main.bicepparam does not give location',
    'main.bicepparam gives place, which main.bicep does not declare',
  ]);
});
