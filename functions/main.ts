/**
 * Every function of the app, registered: the one list of what triggers what. Handlers stand in the files beside this one
 * and register nothing themselves, so that a test can import any of them.
 *
 * Every HTTP function says its `authLevel`. Heartbeat, lease, stopped and witness are open to the platform and checked by a
 * signature of the site's before anything is read: a key of each site says more than one that all of them share, and the
 * monitor's canary must take exactly the way that a site takes (docs/site-protocol.md, "Signing"). Answer is opened by a
 * person's browser, whose link has the token of one question: a key of the functions would open more.
 */
import { app } from '@azure/functions';
import { observedText } from '../src/app/settings.ts';
import { QUEUES } from '../src/kernel/names.ts';
import { answer } from './answer.ts';
import { failover } from './failover.ts';
import { heartbeat } from './heartbeat.ts';
import { ingestFrom } from './ingest.ts';
import { lease } from './lease.ts';
import { monitor } from './monitor.ts';
import { observe } from './observe.ts';
import { notify } from './notify.ts';
import { status } from './status.ts';
import { stopped } from './stopped.ts';
import { sweep } from './sweep.ts';
import { upkeep } from './upkeep.ts';
import { witness } from './witness.ts';

/** The connection of every queue trigger: settings that begin with this name. */
const connection = 'LEEWARD_STORAGE';

if (observedText() !== undefined) {
  // An app elsewhere that looks at sites: it has no storage, and a second monitor is the last thing that is wanted.
  app.timer('observe', { schedule: '%LEEWARD_OBSERVE_SCHEDULE%', handler: observe });
} else {
  app.storageQueue('ingest', { connection, queueName: QUEUES.deltas, handler: ingestFrom(QUEUES.deltas) });
  app.storageQueue('ingest-bulk', { connection, queueName: QUEUES.bulk, handler: ingestFrom(QUEUES.bulk) });
  app.storageQueue('failover', { connection, queueName: QUEUES.failover, handler: failover });

  app.timer('sweep', { schedule: '%LEEWARD_SWEEP_SCHEDULE%', handler: sweep });
  app.timer('upkeep', { schedule: '%LEEWARD_UPKEEP_SCHEDULE%', handler: upkeep });
  app.timer('notify', { schedule: '%LEEWARD_NOTIFY_SCHEDULE%', handler: notify });
  app.timer('monitor', { schedule: '%LEEWARD_MONITOR_SCHEDULE%', handler: monitor });

  app.http('heartbeat', { methods: ['POST'], authLevel: 'anonymous', route: 'heartbeat', handler: heartbeat });
  app.http('lease', { methods: ['POST'], authLevel: 'anonymous', route: 'lease', handler: lease });
  app.http('stopped', { methods: ['POST'], authLevel: 'anonymous', route: 'stopped', handler: stopped });
  app.http('status', { methods: ['GET'], authLevel: 'function', route: 'status/{tenant}/{site}', handler: status });
  app.http('answer', {
    methods: ['GET', 'POST'],
    authLevel: 'anonymous',
    route: 'answer/{tenant}/{site}/{group}/{decision}',
    handler: answer,
  });
  app.http('witness', { methods: ['POST'], authLevel: 'anonymous', route: 'witness', handler: witness });
}
