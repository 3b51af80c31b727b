/**
 * The demo: the project's main job from end to end on this machine, with nothing simulated that need not be.
 *
 * Invariants: it reports as proved only what it has looked at itself; it leaves nothing behind that it has started, but
 * what `keep` asks for and, after a failure, the folder with the logs; a volume of the user's own is only ever read.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Storage } from '../app/storage.ts';
import { LeewardError, describeError } from '../kernel/errors.ts';
import type { VolumeRef } from '../kernel/ids.ts';
import { downStack } from '../local/stack/stack.ts';
import type { StackFacts } from '../local/stack/stack.ts';
import { SystemClock } from '../system/clock.ts';
import { CleanUp } from './clean-up.ts';
import { killAgentAlone } from './agent-alone.ts';
import type { AgentAlone } from './agent-alone.ts';
import { comeBack } from './come-back.ts';
import { failAndRecover } from './fail.ts';
import { checkFileSystemTools } from './file-system.ts';
import { makeLastPoint } from './last-point.ts';
import { Progress } from './progress.ts';
import { protect } from './protect.ts';
import { prove } from './prove.ts';
import { replicate } from './replicate.ts';
import type { DemoReport } from './report.ts';
import { showBytes } from './show.ts';
import type { Scenario, Stage } from './stage.ts';
import { startOwnStack, useStack } from './stack.ts';
import { ownVolume, userVolume } from './volume.ts';
import type { DemoVolume } from './volume.ts';

export interface DemoOptions {
  /** The project's own folder: its functions are run, its files are what the volume is made of. */
  readonly project: string;
  /** Folder in which the demo makes its own; `cache` and `kernel` in it are shared. */
  readonly stateFolder: string;
  /** A block device or image file to protect; an ext4 file system with an application by default. */
  readonly volume: string | undefined;
  /**
   * Functions that run elsewhere, at an address without a slash at its end, with the stack that is up in a folder; a stack of
   * the demo's own by default.
   */
  readonly functions: { readonly url: string; readonly key: string; readonly stackFolder: string } | undefined;
  /** How the site fails. */
  readonly scenario: Scenario;
  /** Whether the demo may mount its own volume. */
  readonly mayMount: boolean;
  /** Leave the stack up, and the demo's folder where it is. */
  readonly keep: boolean;
  openStorage(facts: StackFacts): Promise<Storage>;
  /** Takes lines for people. */
  readonly say: (line: string) => void;
  /** Aborted when the user has had enough: the demo then cleans up and throws the signal's reason. */
  readonly signal: AbortSignal;
}

/**
 * Runs it. Errors: USAGE for what was given wrong; otherwise those of the part that failed, with the act and the folder of
 * the logs, which then stays.
 */
export async function runDemo(options: DemoOptions): Promise<DemoReport> {
  const { keep, say, signal, stateFolder } = options;
  const clock = new SystemClock();
  const progress = new Progress(clock, say);
  const cleanUp = new CleanUp();
  const given = await whatIsGiven(options);
  say('Leeward: a site fails, and its copy in the cloud takes over by itself. This takes about a minute and a half.');
  await mkdir(stateFolder, { recursive: true });
  const folder = await mkdtemp(join(stateFolder, 'demo-'));
  let report: DemoReport | undefined;
  try {
    report = await perform(options, given, { clock, progress, cleanUp, folder });
    return report;
  } catch (error) {
    if (signal.aborted) throw error;
    const code = error instanceof LeewardError ? error.code : 'PLATFORM_FAILED';
    throw new LeewardError(code, `the demo failed in ${progress.act}: ${describeError(error)}; logs: ${folder}`);
  } finally {
    if (report === undefined) say('\ncleaning up');
    await cleanUp.run(say);
    const stays = !signal.aborted && (keep || report?.proved !== true);
    if (!stays) await rm(folder, { recursive: true, force: true });
  }
}

interface Given {
  /** The user's volume. */
  readonly volume: DemoVolume | undefined;
  /** The stack that is up already. */
  readonly facts: StackFacts | undefined;
}

/** What is wrong with it is told before anything is made. */
async function whatIsGiven({ functions, volume }: DemoOptions): Promise<Given> {
  if (volume === undefined) checkFileSystemTools();
  return {
    volume: volume === undefined ? undefined : await userVolume(volume),
    facts: functions && (await useStack(functions)),
  };
}

type Means = Pick<Stage, 'clock' | 'progress' | 'cleanUp' | 'folder'>;

async function perform(options: DemoOptions, given: Given, means: Means): Promise<DemoReport> {
  const { functions, keep, project, scenario, signal } = options;
  const { cleanUp, folder, progress } = means;
  const name = basename(folder);
  const ref: VolumeRef = {
    tenant: 'demo',
    site: siteName(name, functions !== undefined),
    group: 'shop',
    volume: 'disk',
  };

  progress.begin(functions ? 'The cloud that is up already' : 'The cloud, on this machine');
  const facts = given.facts ?? (await startStack(options, means));
  progress.line(describeStack(facts, functions?.url));
  signal.throwIfAborted();
  const functionsUrl = functions?.url ?? facts.functionsUrl;
  if (functionsUrl !== facts.functionsUrl) {
    progress.line(`the stack was told that the functions answer at ${facts.functionsUrl}; the monitor looks there`);
  }
  const storage = await options.openStorage(facts);

  progress.begin('A volume');
  const volume = given.volume ?? (await ownVolume({ project, folder }));
  progress.line(`${volume.path}: ${showBytes(volume.sizeBytes)}, ${volume.content}`);
  const stage: Stage = { name, project, scenario, ...means, signal, facts, functionsUrl, storage, ref, volume };

  progress.begin('It is protected');
  const site = await protect(stage, options.mayMount);
  const beganWallMs = means.clock.wallMs();
  progress.begin('It is replicated');
  const replicated = await replicate(stage, site);
  let agentAlone: AgentAlone | undefined;
  if (volume.own) {
    progress.begin('The agent alone dies');
    agentAlone = await killAgentAlone(stage, site);
  }
  progress.begin('The site fails');
  const lastPoint = await makeLastPoint(stage, site);
  const failedOver = await failAndRecover(stage, site);
  const isOnStandby = scenario === 'partition' ? await comeBack(stage, site) : undefined;
  progress.begin('The proofs');
  const intervals = [replicated, lastPoint.intervals];
  const shown = await prove(stage, { site, beganWallMs, intervals, agentAlone, lastPoint, failedOver, isOnStandby });
  if (keep && !functions) cleanUp.keep(STACK);
  return {
    ...shown,
    stack: { state: functions ? options.stateFolder : folder, functionsUrl, kept: keep || functions !== undefined },
  };
}

/** Name of the work that ends the stack. */
const STACK = 'ending the stack';

async function startStack({ project, stateFolder }: DemoOptions, { cleanUp, folder }: Means): Promise<StackFacts> {
  cleanUp.add(STACK, () => downStack(join(folder, 'local')));
  return await startOwnStack({ stateFolder, demoFolder: folder, project });
}

function describeStack({ machinery }: StackFacts, functionsUrl: string | undefined): string {
  const functions = functionsUrl === undefined ? 'functions are up' : `functions, at ${functionsUrl}, are up`;
  const machines =
    machinery.kind === 'qemu' ? 'machines boot in QEMU' : `machines are only simulated: ${machinery.reason}`;
  return `storage (Azurite), Azure Resource Manager and ${functions}; ${machines}`;
}

/** In a stack that others use too, each run is a site of its own. */
function siteName(demo: string, shared: boolean): string {
  return shared ? `site-${Buffer.from(demo.slice(-6)).toString('hex')}` : 'site';
}
