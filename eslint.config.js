/**
 * The lint gate. Besides typescript-eslint's strictest type-checked rules it holds two promises of docs/design.md:
 *
 * - Layers go one way. A room may import only the rooms that `MAY_IMPORT` names for it, and so may a folder of src/replica or
 *   src/health.
 * - Clock, randomness, waiting and `fetch` come in through ports, and the environment through the settings. Taking them where
 *   one stands is an error in `src` and `functions`, but for the adapters (`src/system`, `src/local`) and the settings
 *   (`src/app/settings.ts`). `test` and `scripts` run on a real machine, and may.
 */
import boundaries from 'eslint-plugin-boundaries';
import tseslint from 'typescript-eslint';

const ENGINES = ['site', 'replica', 'notify', 'health', 'failover'];
const BELOW_THE_ENGINES = ['kernel', 'delta', 'ranges', 'vhd', 'protocol', 'ports', 'documents'];

/** What stands on top uses all that is below it. */
const ON_TOP = [...BELOW_THE_ENGINES, ...ENGINES, 'app', 'local', 'system'];

/** Which room may import which: docs/design.md, "Rooms". */
const MAY_IMPORT = {
  kernel: [],
  delta: ['kernel'],
  ranges: ['kernel'],
  vhd: ['kernel'],
  protocol: ['kernel'],
  ports: ['kernel', 'delta', 'vhd', 'protocol'],
  documents: ['kernel', 'ranges', 'protocol', 'ports'],
  site: ['kernel', 'delta', 'ranges', 'protocol', 'ports'],
  replica: BELOW_THE_ENGINES,
  notify: ['kernel', 'protocol', 'ports', 'documents'],
  health: ['kernel', 'protocol', 'ports', 'documents', 'notify'],
  failover: ['kernel', 'protocol', 'ports', 'documents', 'replica', 'notify', 'health'],
  azure: ['kernel', 'delta', 'vhd', 'protocol', 'ports'],
  system: ['kernel', 'protocol', 'ports'],
  app: [...BELOW_THE_ENGINES, ...ENGINES, 'azure', 'system'],
  functions: ['kernel', 'protocol', 'ports', 'documents', 'app'],
  local: ['kernel', 'vhd', 'ports', 'system'],
  demo: ON_TOP,
  cli: [...ON_TOP, 'demo'],
};

/** Which folder of such a room may import which: none runs in a circle. */
const FOLDERS_MAY_IMPORT = {
  replica: {
    answer: [],
    chain: [],
    plan: [],
    apply: ['chain', 'plan'],
    compare: ['chain'],
    generation: ['chain', 'apply', 'compare'],
    intake: ['chain', 'apply', 'compare', 'generation'],
    rounds: ['chain', 'apply', 'generation'],
  },
  health: {
    asking: [],
    decide: [],
    term: [],
    bounds: ['term', 'decide'],
    doors: ['term', 'decide'],
    simulate: ['term', 'decide', 'bounds', 'doors'],
    monitor: ['term', 'decide', 'bounds', 'asking'],
  },
};
const FOLDERED = Object.keys(FOLDERS_MAY_IMPORT);

const CLOCKS_AND_CHANCE = [
  { object: 'Date', property: 'now', message: 'Take the time from the Clock port.' },
  { object: 'performance', property: 'now', message: 'Take the time from the Clock port.' },
  { object: 'process', property: 'hrtime', message: 'Take the time from the Clock port.' },
  { object: 'Math', property: 'random', message: 'Take randomness from the Random port.' },
  { object: 'crypto', property: 'randomUUID', message: 'Take randomness from the Random port.' },
  { object: 'crypto', property: 'getRandomValues', message: 'Take randomness from the Random port.' },
  { object: 'process', property: 'env', message: 'Only src/app/settings.ts reads the environment.' },
];

export default tseslint.config(
  { ignores: ['node_modules/', 'dist/', '.leeward/'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    plugins: { boundaries },
    settings: {
      'boundaries/elements': [
        ...Object.keys(MAY_IMPORT)
          .filter((room) => room !== 'functions' && !FOLDERED.includes(room))
          .map((room) => ({ type: room, pattern: `src/${room}` })),
        ...FOLDERED.map((room) => ({ type: room, pattern: `src/${room}/*`, capture: ['folder'] })),
        { type: 'functions', pattern: 'functions' },
      ],
      'boundaries/include': ['src/**/*.ts', 'functions/**/*.ts'],
      'import/resolver': { node: { extensions: ['.ts'] } },
    },
    rules: {
      'boundaries/dependencies': [
        'error',
        {
          default: 'disallow',
          policies: [
            ...Object.entries(MAY_IMPORT).map(([room, others]) => ({
              from: { element: { type: room } },
              allow: { to: { element: { type: FOLDERED.includes(room) ? others : [room, ...others] } } },
            })),
            ...Object.entries(FOLDERS_MAY_IMPORT).flatMap(([room, folders]) =>
              Object.entries(folders).map(([folder, others]) => ({
                from: { element: { type: room, captured: { folder } } },
                allow: { to: { element: { type: room, captured: { folder: [folder, ...others] } } } },
              })),
            ),
          ],
        },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/require-await': 'off',
      eqeqeq: 'error',
      // Prettier leaves comments alone.
      'max-len': ['error', { code: 1000, comments: 132, ignoreUrls: true }],
      'no-console': 'error',
    },
  },
  {
    files: ['src/**/*.ts', 'functions/**/*.ts'],
    ignores: ['src/system/**', 'src/local/**', 'src/app/settings.ts'],
    rules: {
      'no-restricted-properties': ['error', ...CLOCKS_AND_CHANCE],
      'no-restricted-globals': [
        'error',
        { name: 'setTimeout', message: 'Wait through the Clock port.' },
        { name: 'setInterval', message: 'Wait through the Clock port.' },
        { name: 'fetch', message: 'Use the Http port.' },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: "NewExpression[callee.name='Date'][arguments.length=0]",
          message: 'Take the time from the Clock port.',
        },
      ],
      'no-restricted-imports': [
        'error',
        {
          paths: [
            { name: 'node:timers/promises', message: 'Wait through the Clock port.' },
            {
              name: 'node:crypto',
              importNames: ['randomBytes', 'randomUUID', 'randomInt'],
              message: 'Use the Random port.',
            },
            { name: 'node:process', message: 'Only src/app/settings.ts reads the environment.' },
          ],
        },
      ],
    },
  },
  { files: ['**/*.js', '**/*.mjs'], extends: [tseslint.configs.disableTypeChecked] },
  {
    // node:test's `test` and `describe` return promises that the runner itself awaits.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['test', 'describe', 'it', 'suite'] },
          ],
        },
      ],
    },
  },
);
