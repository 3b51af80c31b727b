/**
 * What comments and pages point to is there: every file of ours by its path; every `X.md, "Title"` names a heading of that page;
 * every link in a page leads to a file, and to a heading of it where it names one. And what is there is on the map: design.md,
 * "Rooms", has a row for each room and each folder of the larger ones.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..');
const FOLDERS = ['docs', 'functions', 'infra', 'scripts', 'src', 'test'];

/** A page by the name that pointers have for it: those of docs/, and those beside the README. */
function pageAt(name: string): string | undefined {
  return [join(ROOT, 'docs', name), join(ROOT, name)].find((path) => existsSync(path));
}

function headingsOf(page: string): string[] {
  const text = readFileSync(page, 'utf8').replaceAll(/^```.*?^```/gms, '');
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading);
}

/** A pointer may leave out what follows a colon, and the mark of what only a newer version has. */
function isTitleOf(title: string, heading: string): boolean {
  return title === heading || title === heading.replace(/(?: ②)?(?::.*)?$/, '');
}

/** As GitHub makes anchors. Source: github/docs, "Basic writing and formatting syntax", "Section links". */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** Titles that are named after a page, such as `a.md, "One" and "Two"`. */
const TITLES = /([\w-]+\.md)(?:#[\w-]+)?\)?, ("[^"]+"(?:(?:, and |, | and )"[^"]+")*)/g;

/** What a text names and nobody finds. */
function lostTitles(text: string): string[] {
  // A comment's or a string's line ends are spaces.
  const line = text.replaceAll(/(?:' \+)?\n\s*(?:\*|\/\/|#)?\s*/g, ' ');
  return [...line.matchAll(TITLES)].flatMap(([, name = '', titles = '']) => {
    const page = pageAt(name);
    const headings = page === undefined ? [] : headingsOf(page);
    return [...titles.matchAll(/"([^"]+)"/g)]
      .map(([, title = '']) => title.replace(/[.,]$/, ''))
      .filter((title) => !headings.some((heading) => isTitleOf(title, heading)))
      .map((title) => `${name}, "${title}"`);
  });
}

/** Files of ours that a text names by their whole path and that are not there. */
function lostFiles(text: string): string[] {
  const paths = [...text.matchAll(/(?<![\w./-])(?:docs|examples|functions|infra|scripts|src|test)\/[\w./-]+\.\w+/g)];
  return paths.map(([path]) => path).filter((path) => !existsSync(join(ROOT, path)));
}

/** Titles of its own that a page names and does not have. */
function lostOwnTitles(text: string, own: string): string[] {
  const headings = headingsOf(own);
  const titles = [...text.matchAll(/\(?\bsee "([^"]+)"/g)].map(([, title = '']) => title.replaceAll(/\s+/g, ' '));
  return titles.filter((title) => !headings.some((heading) => isTitleOf(title, heading)));
}

/** Links of a page that lead nowhere. */
function lostLinks(text: string, folder: string, own: string): string[] {
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [file = '', anchor] = target.split('#');
      const path = file === '' ? own : join(folder, file);
      if (!existsSync(path)) return true;
      return anchor !== undefined && !headingsOf(path).some((heading) => anchorOf(heading) === anchor);
    });
}

/** The folders that a table's rows are of, below `under`. */
function rowsOf(table: string, under = ''): string[] {
  const rows = [...table.matchAll(/^\| `([\w/-]+)\/` /gm)].map(([, folder = '']) => folder);
  return rows
    .filter((folder) => folder.startsWith(under))
    .map((folder) => folder.slice(under.length))
    .toSorted();
}

function foldersOf(room: string): string[] {
  const entries = readdirSync(join(ROOT, room), { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted();
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(?:ts|js|md|py|bicep|bicepparam|sh)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

const beside = ['README.md', 'SECURITY.md', 'eslint.config.js'].map((name) => join(ROOT, name));
// But this one, which has examples of what is not there.
const files = [...beside, ...FOLDERS.flatMap((folder) => filesUnder(join(ROOT, folder)))].filter(
  (file) => file !== import.meta.filename,
);

test('every file and title that a file names is there', () => {
  const lost = files.flatMap((file) => {
    const own = file.slice(ROOT.length + 1);
    const text = readFileSync(file, 'utf8');
    // Tests make files of their own.
    const lostHere = lostFiles(text).filter((path) => !/^test\/.*\.ts$/.test(own) || path.startsWith('docs/'));
    return [...lostHere, ...lostTitles(text)].map((what) => `${own}: ${what}`);
  });
  assert.deepEqual(lost, []);
});

test('every link of a page leads to a file, and to a heading where it names one, and so does every "see" within it', () => {
  const pages = files.filter((file) => file.endsWith('.md'));
  assert(pages.length > 10);
  const lost = pages.flatMap((page) => {
    const text = readFileSync(page, 'utf8');
    const what = [...lostLinks(text, dirname(page), page), ...lostOwnTitles(text, page)];
    return what.map((one) => `${basename(page)}: ${one}`);
  });
  assert.deepEqual(lost, []);
});

test('every room, and every folder of the larger ones, has its row in the map, and nothing else has', () => {
  const rooms = readFileSync(join(ROOT, 'docs', 'design.md'), 'utf8').split(/^## Rooms$/m)[1] ?? '';
  const [first = '', ...within] = rooms.split(/^Within `/m);
  assert.deepEqual(rowsOf(first, 'src/'), foldersOf('src'));
  const parts = new Map(within.map((part) => [part.slice(0, part.indexOf('/`')), rowsOf(part)]));
  assert.deepEqual([...parts.keys()].toSorted(), ['src/health', 'src/replica', 'src/site']);
  for (const [room, rows] of parts) assert.deepEqual(rows, foldersOf(room), room);
});

test('a pointer to what is not there is found', () => {
  const design = 'design.md';
  assert.deepEqual(lostTitles(`/** See (${design}, "Bases" and\n * "Nowhere"). */`), [`${design}, "Nowhere"`]);
  assert.deepEqual(lostTitles('// none.md, "Bases"'), ['none.md, "Bases"']);
  assert.deepEqual(lostTitles(`see [design](${design}), "The end of\n   a term", and so on`), []);
  assert.deepEqual(lostFiles(`in docs/none.md and docs/${design}`), ['docs/none.md']);
  assert.deepEqual(lostFiles('(`src/kernel/none.ts`), src/kernel/ids.ts.'), ['src/kernel/none.ts']);
  const page = join(ROOT, 'docs', design);
  const text =
    '[a](names.md#containers) [b](names.md#boxes) [c](none.md) [d](#bases) [e](#base) [f](https://x.example/)';
  assert.deepEqual(lostLinks(text, dirname(page), page), ['names.md#boxes', 'none.md', '#base']);
  assert.deepEqual(lostOwnTitles('raw pages (see "Bases"), see "The end\nof a term", see "Base"', page), ['Base']);
});
