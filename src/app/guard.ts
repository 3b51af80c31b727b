/** A guard put together on this machine, for one group's applications that are one command. */
import { join } from 'node:path';
import type { GroupRef } from '../kernel/ids.ts';
import { groupId, parseSite } from '../kernel/ids.ts';
import { Guard } from '../site/guard/guard.ts';
import { guardSigningKey } from '../site/guard/access.ts';
import type { GuardAccess } from '../site/guard/access.ts';
import type { GuardTimes } from '../site/guard/core.ts';
import { SystemClock } from '../system/clock.ts';
import { HttpCloudLink } from '../system/cloud-link.ts';
import { makeFolder } from '../system/durable-file.ts';
import { CarriedLink } from '../system/guard/agent-socket.ts';
import { CommandApplications } from '../system/guard/command-applications.ts';
import { GuardFiles } from '../system/guard/files.ts';
import { KeeperStop } from '../system/guard/keeper-stop.ts';
import { GuardRecordFile } from '../system/guard/record-file.ts';
import { SystemRandom } from '../system/random.ts';

export interface GuardOptions {
  readonly access: GuardAccess;
  /** Folder that the guards of this node keep their records in. */
  readonly folder: string;
  /** Name of the group within the access file's site. */
  readonly group: string;
  readonly command: readonly [string, ...string[]];
  readonly times: GuardTimes;
  /** Where the agent of the site listens, if it runs on this machine. */
  readonly agentSocket: string;
  readonly tell: (line: string) => void;
}

/** Opens it, with whatever an earlier guard has left running. Errors: DOCUMENT_INVALID, its record. */
export async function openGuard(options: GuardOptions): Promise<Guard> {
  const { access, folder, command, times, tell } = options;
  const group: GroupRef = { ...parseSite(access.site), group: options.group };
  const own = join(folder, options.group);
  await makeFolder(own);
  const clock = new SystemClock();
  const files = new GuardFiles(own);
  return Guard.open({
    group: groupId(group),
    node: access.node,
    key: guardSigningKey(access),
    clock,
    random: new SystemRandom(),
    link: new CarriedLink(options.agentSocket, new HttpCloudLink(access)),
    applications: await CommandApplications.open(files, command, clock),
    armedStop: new KeeperStop(files, clock),
    record: new GuardRecordFile(files),
    times,
    tell,
  });
}
