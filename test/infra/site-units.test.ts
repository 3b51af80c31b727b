/** The services of a site, as systemd reads them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

/** Seconds and starts. Source: systemd-system.conf(5), DefaultStartLimitIntervalSec= and DefaultStartLimitBurst=. */
const USUAL_LIMIT = { intervalSeconds: 10, starts: 5 };

for (const name of ['leeward-agent.service', 'leeward-guard@.service']) {
  test(`${name} is started anew for ever, however soon it ends`, () => {
    const text = readFileSync(new URL(`../../infra/site/${name}`, import.meta.url), 'utf8');
    const [unit = '', service = ''] = text.split('[Service]');
    assert.match(service, /^Restart=always$/m);
    const waitSeconds = Number(/^RestartSec=(\d+)$/m.exec(service)?.[1]);
    const isUnlimited = /^StartLimitIntervalSec=0$/m.test(unit);
    assert.ok(isUnlimited || waitSeconds * USUAL_LIMIT.starts > USUAL_LIMIT.intervalSeconds);
  });
}
