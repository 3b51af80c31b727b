/**
 * Routes of HTTP functions: ASP.NET Core's templates, as far as Functions documents them.
 *
 * Invariants: `{name}`, `{name?}`, `{*rest}` and literal text, in any case; of several routes that fit, the one that is
 * literal for longest wins; a template that this host does not understand is refused when the app loads.
 */
import { LeewardError } from '../../kernel/errors.ts';

export interface Route {
  /** The parameters of a path that fits, decoded; undefined for one that does not. */
  match(path: string): Record<string, string> | undefined;
  /** Sorts before every route that is less specific. */
  readonly rank: string;
}

const PARAMETER = /\{(\*{0,2})([A-Za-z_][A-Za-z0-9_]*)(\??)\}/g;

/** Reads a route below `prefix`. Throws USAGE that names the function. */
export function parseRoute(prefix: string, template: string, name: string): Route {
  const segments = `${prefix}/${template}`.split('/').filter((segment) => segment !== '');
  const names: string[] = [];
  let rank = '';
  const pattern = segments.map((segment, index) => {
    const parameters = [...segment.matchAll(PARAMETER)];
    const literal = segment.replaceAll(PARAMETER, '');
    if (/[{}]/.test(literal)) {
      throw new LeewardError(
        'USAGE',
        `function ${name}: route "${template}" has a form that the local host does not know`,
      );
    }
    names.push(...parameters.map(([, , parameter = '']) => parameter));
    const [only] = parameters;
    rank += rankOf(only, literal);
    if (only?.[1] && index !== segments.length - 1) {
      throw new LeewardError('USAGE', `function ${name}: route "${template}" goes on after a catch-all`);
    }
    if (only?.[1]) return '(?:/(.*))?';
    if (only?.[3] && literal === '') return '(?:/([^/]+))?';
    let from = 0;
    let text = '';
    for (const parameter of parameters) {
      text += `${literally(segment.slice(from, parameter.index))}([^/]+?)`;
      from = parameter.index + parameter[0].length;
    }
    return `/${text}${literally(segment.slice(from))}`;
  });
  if (new Set(names).size !== names.length) {
    throw new LeewardError('USAGE', `function ${name}: route "${template}" names a parameter twice`);
  }
  const form = new RegExp(`^${pattern.join('')}/?$`, 'i');
  return {
    rank,
    match(path) {
      const found = form.exec(path);
      if (!found) return undefined;
      return Object.fromEntries(
        names.flatMap((parameter, index): [string, string][] => {
          const value = found[index + 1];
          return value === undefined || value === '' ? [] : [[parameter, decode(value)]];
        }),
      );
    },
  };
}

/** `text` as a regular expression that fits it alone. */
function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** One letter a segment: literal, literal with parameters, parameter, catch-all. */
function rankOf(parameter: RegExpExecArray | undefined, literal: string): string {
  if (!parameter) return 'a';
  if (parameter[1]) return 'd';
  return literal === '' ? 'c' : 'b';
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
