/**
 * The invariants of docs/design.md, held against every change of a volume's state at the moment it takes effect, and
 * against the replica at the end.
 */
import { currentGeneration, volumeSchema } from '../../src/documents/volume.ts';
import type { VolumeDocument } from '../../src/documents/volume.ts';
import type { ChainPoint } from '../../src/kernel/chain-point.ts';
import type { ReplicaStore } from '../../src/ports/replica-store.ts';
import { replicaProblem } from '../support/replica-check.ts';
import type { SiteDelta, SiteFixture } from '../support/site-fixture.ts';
import { chainProblems, freshPoints } from './chain-rules.ts';
import { SNAPSHOTS_KEPT } from './cloud.ts';

export class VolumeWatch {
  /** All that ever write this volume: its site, and whoever forked from it. */
  readonly writers: SiteFixture[];
  readonly #replicas: ReplicaStore;
  readonly #report: (problem: string) => void;
  readonly #digests = new Map<number, string>();
  readonly #markers = new Set<string>();
  #last: VolumeDocument | undefined;

  constructor(site: SiteFixture, ports: { replicas: ReplicaStore; report: (problem: string) => void }) {
    this.writers = [site];
    this.#replicas = ports.replicas;
    this.#report = ports.report;
  }

  get last(): VolumeDocument {
    if (!this.#last) throw new Error('no document was seen');
    return this.#last;
  }

  /** A writer made this delta. */
  made(delta: SiteDelta): void {
    if (delta.marker !== undefined) this.#markers.add(delta.digest);
  }

  /** The document as it was just written. */
  async changed(text: string): Promise<void> {
    const now = volumeSchema.parse(JSON.parse(text));
    const before = this.#last;
    this.#last = now;
    const { tip, applied } = currentGeneration(now);
    this.#check(this.#chained(tip), `tip ${tip.number} is another than it was, or nobody's`);
    this.#check(this.#chained(applied), `applied ${applied.number} is not on the chain`);
    if (!before) return;
    const chain = { snapshotsKept: SNAPSHOTS_KEPT, isMarked: (digest: string) => this.#markers.has(digest) };
    for (const problem of chainProblems(before, now, chain)) this.#check(false, problem);
    for (const point of freshPoints(before, now)) await this.#pointIs(point);
  }

  /** What must hold when everything has come to rest. */
  async atRest(): Promise<void> {
    const { applied, tip, claim, snapshots, cut, replica } = currentGeneration(this.last);
    this.#check(applied.number === tip.number, `at rest, but applied is ${applied.number} and the tip ${tip.number}`);
    this.#check(claim === null, 'at rest, but something is claimed');
    this.#check(!cut || cut.number === applied.number, 'at rest, but not at the cut');
    if (applied.number > 0) {
      const writer = this.#writerOf(applied);
      const problem = writer && (await replicaProblem(this.#replicas, writer, { number: applied.number }));
      if (problem !== undefined) this.#report(problem);
    }
    for (const point of snapshots) await this.#pointIs(point);
    if (applied.number === 0) return;
    const listed = (await this.#replicas.listSnapshots(replica)).map(({ snapshot }) => snapshot);
    const named = snapshots.map(({ snapshot }) => snapshot);
    this.#check(listed.join() === named.join(), `snapshots [${listed.join()}] are left, named are [${named.join()}]`);
  }

  async #pointIs(point: ChainPoint & { snapshot: string }): Promise<void> {
    const writer = this.#writerOf(point);
    if (!writer) {
      this.#report(`point ${point.number} is of no writer's delta`);
      return;
    }
    const { number, snapshot } = point;
    const problem = await replicaProblem(this.#replicas, writer, { number, snapshot }).catch(String);
    if (problem !== undefined) this.#report(problem);
  }

  /** Each number has one digest for ever, and it is one that a writer made. */
  #chained({ number, digest }: ChainPoint): boolean {
    const known = this.#digests.get(number) ?? digest;
    this.#digests.set(number, known);
    return known === digest && this.#writerOf({ number, digest }) !== undefined;
  }

  #writerOf({ number, digest }: ChainPoint): SiteFixture | undefined {
    return this.writers.find((writer) => number <= writer.last && writer.digestAt(number) === digest);
  }

  #check(holds: boolean, problem: string): void {
    if (!holds) this.#report(`${this.writers[0]?.id ?? ''}: ${problem}`);
  }
}
