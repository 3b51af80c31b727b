/**
 * References for a site in the simulation: mostly true ones, to the volume's own state before and to entries that were
 * put by any site, and now and then a lie or a name of nothing.
 */
import { openDelta } from '../../src/delta/delta.ts';
import { literalsAt } from '../../src/delta/literals.ts';
import { PAGE_BYTES } from '../../src/kernel/units.ts';
import type { Reference, SiteDelta, SiteFixture } from '../support/site-fixture.ts';
import type { SeededRandom } from './random.ts';

/** Literal bytes that lie in the journal under this name. */
interface Source {
  readonly entry: string;
  readonly bytes: Uint8Array;
}

/** How often a reference is false. */
const LIES = 0.03;

/** What a site's deltas may refer to, kept for all volumes of the site. */
export class Sources {
  readonly #random: SeededRandom;
  readonly #sources: Source[] = [];

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** An entry was put, and holds the whole delta. */
  note(entry: string, delta: SiteDelta): void {
    const opened = openDelta(delta.bytes);
    const [bytes] = literalsAt(opened, [{ at: 0, lengthBytes: opened.head.literalBytes }]);
    if (bytes && bytes.length > 0) this.#sources.push({ entry, bytes });
  }

  /**
   * `delta` with references wherever something is found; `isTrue` when each of them can be resolved without the site,
   * once the delta before it is applied.
   */
  refer(fixture: SiteFixture, delta: SiteDelta): { readonly delta: SiteDelta; readonly isTrue: boolean } {
    const prior = fixture.bytesAt(delta.number - 1);
    let isTrue = true;
    const sent = fixture.referring(
      delta,
      ({ bytes }) => {
        if (this.#random.chance(LIES)) {
          isTrue = false;
          return this.#lie(fixture, delta);
        }
        return this.#find(prior, bytes);
      },
      PAGE_BYTES,
    );
    return { delta: sent, isTrue };
  }

  #find(prior: Uint8Array, bytes: Uint8Array): Reference | undefined {
    if (this.#random.chance(0.5)) {
      const at = pageOf(prior, bytes);
      if (at !== undefined) return { at };
    }
    if (this.#sources.length === 0) return undefined;
    const { entry, bytes: source } = this.#random.pick(this.#sources);
    const at = pageOf(source, bytes);
    return at === undefined ? undefined : { entry, at };
  }

  #lie(fixture: SiteFixture, delta: SiteDelta): Reference {
    const at = this.#random.between(0, 20) * PAGE_BYTES;
    return this.#random.chance(0.5) ? { at } : { entry: fixture.entryName(delta, 'literal-7'), at };
  }
}

/** Where `page` stands in `bytes`, at a page's beginning. */
function pageOf(bytes: Uint8Array, page: Uint8Array): number | undefined {
  for (let at = 0; at + page.length <= bytes.length; at += PAGE_BYTES) {
    if (Buffer.compare(bytes.subarray(at, at + page.length), page) === 0) return at;
  }
  return undefined;
}
