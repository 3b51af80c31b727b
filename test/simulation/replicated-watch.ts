/**
 * The invariants of docs/design.md for a volume that the production replicator sends, held against every change of its state
 * at the moment it takes effect: what is offered is what the volume was at a marker; nothing acknowledged is lost; a base
 * is the copy of what was sealed, and was compared; a point that counts as verified is what the volume was, and a
 * comparison finds a difference only where there is one.
 */
import { currentGeneration, isReady, offeredGeneration, volumeSchema } from '../../src/documents/volume.ts';
import type { Generation, NamedSnapshot, VolumeDocument } from '../../src/documents/volume.ts';
import { NO_DIGEST } from '../../src/kernel/hash.ts';
import { PAGE_BYTES } from '../../src/kernel/units.ts';
import { RANGE_BYTES } from '../../src/ranges/blocks.ts';
import { VHD_FOOTER_BYTES, replicaDataBytes } from '../../src/vhd/footer.ts';
import { baseDigestOf } from '../support/range-lists.ts';
import { diskProblem } from '../support/replica-check.ts';
import type { SiteFixture } from '../support/site-fixture.ts';
import { chainProblems, freshPoints } from './chain-rules.ts';
import { SNAPSHOTS_KEPT } from './cloud.ts';
import { generationProblems } from './generation-rules.ts';
import type { Ledger } from './ledger.ts';
import type { World } from './world.ts';

export class ReplicatedWatch {
  readonly #world: World;
  readonly #site: SiteFixture;
  readonly #ledger: Ledger;
  /** How long upkeep keeps what nobody needs; undefined without one. */
  keptMs: number | undefined;
  /** Generations whose upload somebody else writes as well. */
  readonly hostile = new Set<number>();
  #last: VolumeDocument | undefined;
  /** What was sealed for the present generation's base. */
  #sealed: { readonly generation: number; readonly digest: string } | undefined;

  constructor(world: World, site: SiteFixture, ledger: Ledger) {
    this.#world = world;
    this.#site = site;
    this.#ledger = ledger;
  }

  get last(): VolumeDocument {
    if (!this.#last) throw new Error('no document was seen');
    return this.#last;
  }

  get isCut(): boolean {
    return currentGeneration(this.last).cut !== null;
  }

  /** Whether all that was acknowledged of the present generation is applied. */
  get isApplied(): boolean {
    const { applied, tip } = currentGeneration(this.last);
    return applied.number === tip.number;
  }

  /** Whether something of the present generation was acknowledged. */
  get acknowledged(): boolean {
    return currentGeneration(this.last).tip.number > 0;
  }

  /** Whether the newest point that is offered is this, and the chain has nothing behind it, and it was compared. */
  isVerifiedAt(bytes: Uint8Array): boolean {
    const { current, published } = this.last;
    const { generation, snapshots, tip } = currentGeneration(this.last);
    const point = snapshots.at(-1);
    if (published !== current || point?.number !== tip.number || point.verifiedAtMs === undefined) return false;
    const model = this.#ledger.at({ generation, ...point });
    return model !== undefined && Buffer.compare(model, bytes) === 0;
  }

  /** The document as it was just written. */
  async changed(text: string): Promise<void> {
    const now = volumeSchema.parse(JSON.parse(text));
    const before = this.#last;
    this.#last = now;
    const generation = currentGeneration(now);
    const { tip, applied } = generation;
    this.#check(this.#chained(generation, tip), `tip ${tip.number} is nobody's`);
    this.#check(this.#chained(generation, applied), `applied ${applied.number} is not on the chain`);
    if (!before) return;
    const at = {
      nowMs: this.#world.scheduler.wallMs(),
      keptMs: this.keptMs,
      isLost: this.#ledger.isRotten.bind(this.#ledger),
    };
    for (const problem of generationProblems(before, now, at)) this.#report(problem);
    if (now.current === before.current) {
      const isMarked = (digest: string): boolean =>
        this.#ledger.at({ ...applied, generation: generation.generation, digest }) !== undefined;
      for (const problem of chainProblems(before, now, { snapshotsKept: SNAPSHOTS_KEPT, isMarked })) {
        this.#report(problem);
      }
    }
    for (const point of freshPoints(before, now)) await this.#pointIs(generation, point);
    await this.#checkBase(before, generation);
    await this.#checkCompared(before, now);
  }

  /** Something was deleted: what is offered, and what a base is made from, must still be there. */
  async removed(): Promise<void> {
    const offered = offeredGeneration(this.last);
    if (offered) await this.#checkThere(offered);
    const { base } = currentGeneration(this.last);
    if (base?.from !== 'point' || base.phase !== 'copying' || !base.source) return;
    const { snapshot, ...place } = base.source;
    const there = await this.#world.storage.replicas.listSnapshots(place).catch(() => []);
    if (!there.some((listed) => listed.snapshot === snapshot)) this.#report('what a base is made from was deleted');
  }

  /** What must hold when everything has come to rest. */
  async atRest(): Promise<void> {
    const { applied, tip, claim, cut } = currentGeneration(this.last);
    this.#check(applied.number === tip.number, `at rest, but applied is ${applied.number} and the tip ${tip.number}`);
    this.#check(claim === null, 'at rest, but something is claimed');
    this.#check(!cut || cut.number === applied.number, 'at rest, but not at the cut');
    for (const generation of Object.values(this.last.generations)) {
      for (const point of generation.snapshots) await this.#pointIs(generation, point);
    }
  }

  /** The present replica is this, byte for byte. */
  async replicaIs(bytes: Uint8Array): Promise<void> {
    const generation = currentGeneration(this.last);
    const problem = await this.#difference(generation, { number: generation.applied.number, bytes }, () => false);
    if (problem !== undefined) this.#report(problem);
  }

  async #checkThere(offered: Generation): Promise<void> {
    const listed = await this.#world.storage.replicas.listSnapshots(offered.replica).catch(() => []);
    const there = new Set(listed.map(({ snapshot }) => snapshot));
    const missing = offered.snapshots.find(({ snapshot }) => !there.has(snapshot));
    if (missing)
      this.#report(`point ${missing.number} of generation ${offered.generation}, which is offered, was deleted`);
  }

  /** What is sealed is remembered; the base must be that, when it is ready. */
  async #checkBase(before: VolumeDocument, is: Generation): Promise<void> {
    const was = before.generations[String(is.generation)];
    const { base } = is;
    if (!base) return;
    if (base.source && was?.base?.source === null) await this.#seal(is, base.source);
    if (base.source && !was) await this.#seal(is, base.source);
    if (base.phase !== 'ready' || was?.base?.phase === 'ready') return;
    const digest = await this.#baseDigest(is, is.replica);
    this.#check(
      this.#ledger.isAnyDamaged || digest === base.digest,
      `the base of generation ${is.generation} is not what was compared`,
    );
    this.#check(is.tip.digest === base.digest, `the chain of generation ${is.generation} does not begin at its base`);
    const sealed = this.#sealed?.generation === is.generation ? this.#sealed.digest : undefined;
    this.#check(
      sealed === undefined || sealed === base.digest || this.#ledger.isAnyDamaged,
      `the base of generation ${is.generation} is not what was sealed for it`,
    );
  }

  async #seal(is: Generation, source: { account: string; container: string; blob: string; snapshot: string }) {
    const { snapshot, ...place } = source;
    const digest = await this.#baseDigest(is, place, snapshot);
    this.#sealed = digest === undefined ? undefined : { generation: is.generation, digest };
  }

  /** The digest of a base that a blob, or a snapshot of it, would make; undefined where it has not the size for it. */
  async #baseDigest(
    { generation, volumeBytes }: Generation,
    place: { account: string; container: string; blob: string },
    snapshot?: string,
  ): Promise<string | undefined> {
    const at = { offset: 0, lengthBytes: volumeBytes, ...(snapshot !== undefined && { snapshot }) };
    const bytes = await this.#world.storage.replicas.read(place, at).catch(() => undefined);
    return bytes && baseDigestOf(this.#site.id, generation, bytes);
  }

  async #checkCompared(before: VolumeDocument, now: VolumeDocument): Promise<void> {
    const { compared } = now;
    const is = currentGeneration(now);
    if (compared && compared.differingBytes > 0 && before.compared?.atMs !== compared.atMs) {
      const differing = before.verification?.differing ?? [];
      const ranges = [
        ...differing,
        { offset: (before.verification?.next ?? 0) * RANGE_BYTES, lengthBytes: RANGE_BYTES },
      ];
      this.#check(
        this.#ledger.isDamagedWithin(ranges),
        `a comparison of delta ${compared.number} found ${compared.differingBytes} bytes that do not differ`,
      );
    }
    const was = before.generations[String(is.generation)]?.snapshots ?? [];
    for (const point of is.snapshots) {
      const isNew = was.some(({ snapshot, verifiedAtMs }) => snapshot === point.snapshot && verifiedAtMs === undefined);
      if (point.verifiedAtMs === undefined || !isNew) continue;
      await this.#pointIs(is, point, () => false);
    }
  }

  async #pointIs(
    generation: Generation,
    point: NamedSnapshot,
    mayDiffer: (page: number) => boolean = (page) => this.#ledger.isDamaged(page),
  ): Promise<void> {
    const model = this.#ledger.at({ generation: generation.generation, ...point });
    if (!model) {
      this.#report(`point ${point.number} of generation ${generation.generation} is of no marker that the site made`);
      return;
    }
    const problem = await this.#difference(generation, { ...point, bytes: model }, mayDiffer).catch(String);
    if (problem !== undefined) this.#report(problem);
  }

  async #difference(
    { replica, generation }: Generation,
    wanted: { readonly number: number; readonly snapshot?: string; readonly bytes: Uint8Array },
    mayDiffer: (page: number) => boolean,
  ): Promise<string | undefined> {
    const { number, snapshot, bytes } = wanted;
    const lengthBytes = replicaDataBytes(bytes.length) + VHD_FOOTER_BYTES;
    const at = snapshot === undefined ? {} : { snapshot };
    const what = `${snapshot === undefined ? 'replica' : `snapshot ${snapshot}`} of ${generation}/${number}`;
    const found = await this.#world.storage.replicas.read(replica, { offset: 0, lengthBytes, ...at });
    for (let offset = 0; offset < bytes.length; offset += PAGE_BYTES) {
      if (!mayDiffer(offset / PAGE_BYTES)) continue;
      found.set(bytes.subarray(offset, offset + PAGE_BYTES), offset);
    }
    const problem = diskProblem(found, bytes);
    return problem === undefined ? undefined : `${what}: ${problem}`;
  }

  /** Number 0 is where a generation begins; any other is a delta that the site made. */
  #chained(generation: Generation, { number, digest }: { number: number; digest: string }): boolean {
    if (number > 0) return this.#ledger.isMade({ generation: generation.generation, number, digest });
    return digest === (generation.base && isReady(generation) ? generation.base.digest : NO_DIGEST);
  }

  #check(holds: boolean, problem: string): void {
    if (!holds) this.#report(problem);
  }

  #report(problem: string): void {
    this.#world.report(`${this.#site.id}: ${problem}`);
  }
}
