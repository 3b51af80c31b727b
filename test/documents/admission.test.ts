/** Rules of admission: which source becomes which volume. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { admissionRuleSchema, admittedVolume } from '../../src/documents/admission.ts';
import { volumeId } from '../../src/kernel/ids.ts';

const SITE = { tenant: 'acme', site: 'berlin' };

function volumeOf(match: string, source: string): string | undefined {
  const volume = admittedVolume([{ match, group: 'web' }], SITE, source);
  return volume && volumeId(volume);
}

test('a source that a rule matches becomes a volume of its group, named after it', () => {
  assert.equal(volumeOf('web-*/*', 'web-1/sdb'), 'acme/berlin/web/web-1-sdb');
  assert.equal(volumeOf('*', 'DB.Prod:/dev/nvme0n1'), 'acme/berlin/web/db-prod-dev-nvme0n1');
  assert.equal(volumeOf('web-1/sda', 'web-1/sda'), 'acme/berlin/web/web-1-sda');
  assert.equal(volumeOf('a*a', 'a'), undefined);
  assert.equal(volumeOf('a*a', 'aa'), 'acme/berlin/web/aa');
  assert.equal(volumeOf('web-*', 'db-1/sda'), undefined);
  assert.equal(volumeOf('*sd?', 'x/sda'), undefined);
});

test('what leaves no name of a volume is admitted by no rule', () => {
  assert.equal(volumeOf('*', '///'), undefined);
  assert.equal(volumeOf('*', 'x'.repeat(61)), undefined);
});

test('the first rule that matches decides, and without one nothing is admitted', () => {
  const rules = [
    { match: 'db-*', group: 'databases' },
    { match: '*', group: 'rest' },
  ];
  assert.equal(admittedVolume(rules, SITE, 'db-1')?.group, 'databases');
  assert.equal(admittedVolume(rules, SITE, 'mail')?.group, 'rest');
  assert.equal(admittedVolume([], SITE, 'mail'), undefined);
});

test('a star stands for any characters, as a regular expression would have it', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 });
  fc.assert(
    fc.property(
      text.filter(Boolean),
      fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 8 }),
      (match, source) => {
        const expected = new RegExp(`^${match.replaceAll('*', '.*')}$`).test(source);
        assert.equal(volumeOf(match, source) !== undefined, expected, `${match} on ${source}`);
      },
    ),
    { numRuns: 2000 },
  );
});

test('a hostile pattern takes no longer than its text', () => {
  assert.equal(volumeOf('*a'.repeat(100), 'b'.repeat(200)), undefined);
  assert.equal(admissionRuleSchema.safeParse({ match: '*a'.repeat(101), group: 'web' }).success, false);
});
