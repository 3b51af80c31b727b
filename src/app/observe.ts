/** An app in another region that looks at sites from there, and is nothing else: it has the witnesses' keys, and no storage. */
import { describeError } from '../kernel/errors.ts';
import { parseWitnessAccesses } from '../site/witness/access.ts';
import { Observer } from '../site/witness/observer.ts';
import { SystemClock } from '../system/clock.ts';
import { PlainHttp } from '../system/http.ts';
import { observedText } from './settings.ts';

let observers: readonly { readonly name: string; readonly observer: Observer }[] | undefined;

/** Looks at all of them once, side by side. Gives what could not be said, a line each. Errors: DOCUMENT_INVALID (a setting). */
export async function observeAll(): Promise<readonly string[]> {
  observers ??= parseWitnessAccesses(observedText() ?? '[]').map((access) => ({
    name: `witness ${access.witness} of ${access.site}`,
    observer: new Observer({ access, http: new PlainHttp(), clock: new SystemClock() }),
  }));
  const said = observers.map(async ({ name, observer }) => {
    try {
      await observer.look();
      return [];
    } catch (error) {
      return [`${name}: ${describeError(error)}`];
    }
  });
  return (await Promise.all(said)).flat();
}
