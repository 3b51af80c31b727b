/** What a site at work has to tell, as lines for people. */
import { describeError } from '../kernel/errors.ts';
import type { SiteNews } from '../site/loops.ts';

/** The same for programs: docs/cli.md, "Options". */
export function newsFacts(news: SiteNews): Readonly<Record<string, unknown>> {
  if (!('error' in news)) return { ...news };
  return { ...(news.volume !== undefined && { volume: news.volume }), error: describeError(news.error) };
}

/** One line, with the volume's name where it is about one. */
export function newsLine(news: SiteNews): string {
  if ('acknowledged' in news) {
    const { volume, acknowledged } = news;
    return `${volume}: ${acknowledged.length === 0 ? 'no change' : `deltas ${acknowledged.join(', ')} acknowledged`}`;
  }
  const told = describeError(news.error);
  return news.volume === undefined || told.includes(news.volume) ? told : `${news.volume}: ${told}`;
}
