/**
 * Reads Bicep by its grammar, as far as the checks of infra/ need: the Bicep compiler itself is not at hand where the
 * tests run. What only the compiler or Azure can tell (types of properties, API versions) is not checked here.
 */
import { createRequire } from 'node:module';
import { Language, Parser } from 'web-tree-sitter';
import type { Node } from 'web-tree-sitter';

const grammar = createRequire(import.meta.url).resolve('tree-sitter-bicep/tree-sitter-bicep.wasm');
await Parser.init();
const parser = new Parser();
parser.setLanguage(await Language.load(grammar));

/** A parameter or an output. */
export interface Declared {
  readonly name: string;
  readonly description: string | undefined;
  readonly secure: boolean;
  readonly hasDefault: boolean;
}

export interface ModuleUse {
  readonly symbol: string;
  /** Path as written, relative to the file. */
  readonly path: string;
  /** Names of the parameters that are passed. */
  readonly params: readonly string[];
}

export interface ResourceUse {
  readonly symbol: string;
  /** Without its version. */
  readonly type: string;
  /** As written, with its parentheses; undefined when the resource is unconditional. */
  readonly condition: string | undefined;
  /** Of `[for VARIABLE in LIST: …]`. */
  readonly loop: { readonly variable: string; readonly list: string } | undefined;
  readonly properties: ReadonlyMap<string, Node>;
}

export interface BicepFile {
  readonly path: string;
  readonly root: Node;
  readonly syntaxErrors: readonly string[];
  readonly params: readonly Declared[];
  readonly outputs: readonly Declared[];
  readonly modules: readonly ModuleUse[];
  readonly resources: readonly ResourceUse[];
  /** What `targetScope` says, or its default. */
  readonly targetScope: string;
  /** Items of `var NAME = [ … ]`, in order: a literal's text; anything else, and an interpolation, as written. */
  readonly arrays: ReadonlyMap<string, readonly string[]>;
  /** Literal texts of `var NAME = { key: 'text' }`. */
  readonly objects: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Entries of `appSettings: [ { name: '…' value: … } ]`: name → the value as written. */
  readonly appSettings: ReadonlyMap<string, string>;
  /** Names that are used and declared nowhere in the file. */
  readonly undeclared: readonly string[];
  /** Outputs of modules that are used, as `symbol.output`. */
  readonly outputsUsed: readonly { readonly symbol: string; readonly output: string }[];
  /** Parameters that nothing uses. */
  readonly unusedParams: readonly string[];
}

/** Never throws: what cannot be read is in `syntaxErrors`. */
export function readBicep(path: string, text: string): BicepFile {
  const tree = parser.parse(text);
  if (!tree) throw new Error(`${path}: the parser gave nothing`);
  const root = tree.rootNode;
  const all = (type: string): Node[] => root.descendantsOfType(type);
  const variables = all('variable_declaration').map((node) => ({ name: nameOf(node), value: node.namedChild(1) }));
  const params = all('parameter_declaration').map(declared);
  const used = all('identifier').filter((node) => !isName(node));
  const declaredNames = new Set([
    ...DECLARATIONS.flatMap((type) => all(type)).map(nameOf),
    ...all('for_statement').map((node) => node.childForFieldName('initializer')?.text ?? ''),
  ]);
  return {
    path,
    root,
    syntaxErrors: syntaxErrors(root),
    params,
    outputs: all('output_declaration').map(declared),
    modules: all('module_declaration').map((node) => ({
      symbol: nameOf(node),
      path: stringText(node.namedChild(1)),
      params: [...properties(properties(bodyOf(childOf(node, 'if_statement') ?? node)).get('params')).keys()],
    })),
    resources: all('resource_declaration').map(resourceUse),
    targetScope: /^targetScope = '(\w+)'/m.exec(text)?.[1] ?? 'resourceGroup',
    arrays: new Map(
      variables.filter(({ value }) => value?.type === 'array').map(({ name, value }) => [name, itemTexts(value)]),
    ),
    objects: new Map(
      variables
        .filter(({ value }) => value?.type === 'object')
        .map(({ name, value }) => [
          name,
          new Map([...properties(value)].map(([key, node]) => [key, stringText(node)] as const)),
        ]),
    ),
    appSettings: appSettings(all('object_property')),
    undeclared: used.map((node) => node.text).filter((name) => !declaredNames.has(name)),
    outputsUsed: all('member_expression').flatMap(outputUse),
    unusedParams: params.map(({ name }) => name).filter((name) => !used.some((node) => node.text === name)),
  };
}

const DECLARATIONS = [
  'parameter_declaration',
  'variable_declaration',
  'resource_declaration',
  'module_declaration',
  'output_declaration',
];

function nameOf(declaration: Node): string {
  return declaration.namedChild(0)?.text ?? '';
}

/** Whether an identifier names something (a declaration, a key, a called function) instead of using it. */
function isName(node: Node): boolean {
  const parent = node.parent;
  if (!parent) return true;
  const first = parent.namedChild(0)?.id === node.id;
  if (DECLARATIONS.includes(parent.type)) return first;
  if (parent.type === 'object_property') return first;
  if (parent.type === 'call_expression') return parent.childForFieldName('function')?.id === node.id;
  if (parent.type === 'for_statement') return parent.childForFieldName('initializer')?.id === node.id;
  return false;
}

function declared(node: Node): Declared {
  const decorators = decoratorsOf(node);
  return {
    name: nameOf(node),
    description: decorators.get('description'),
    secure: decorators.has('secure'),
    hasDefault: node.type === 'parameter_declaration' && node.namedChildCount > 2,
  };
}

/** Decorators before a declaration: name → the text of the first argument. */
function decoratorsOf(declaration: Node): Map<string, string> {
  const before = declaration.previousNamedSibling;
  if (before?.type !== 'decorators') return new Map();
  return new Map(
    before.descendantsOfType('call_expression').map((call) => {
      const argument = call.childForFieldName('arguments')?.namedChild(0) ?? null;
      return [call.childForFieldName('function')?.text ?? '', stringText(argument)];
    }),
  );
}

function resourceUse(declaration: Node): ResourceUse {
  const loop = childOf(declaration, 'for_statement');
  const condition = childOf(loop ?? declaration, 'if_statement');
  return {
    symbol: nameOf(declaration),
    type: stringText(declaration.namedChild(1)).replace(/@.*/, ''),
    condition: condition?.namedChild(0)?.text,
    loop: loop
      ? { variable: loop.childForFieldName('initializer')?.text ?? '', list: loop.namedChild(1)?.text ?? '' }
      : undefined,
    properties: properties(bodyOf(condition ?? loop ?? declaration)),
  };
}

/** The object of a module, or of a resource's innermost part. */
function bodyOf(declaration: Node): Node | null {
  return childOf(declaration, 'object');
}

function childOf(node: Node, type: string): Node | null {
  return node.namedChildren.find((child) => child.type === type) ?? null;
}

/** Properties of an object in source: key → value. None for what is no object. */
export function properties(object: Node | null | undefined): Map<string, Node> {
  const found = new Map<string, Node>();
  if (object?.type !== 'object') return found;
  for (const property of object.namedChildren) {
    const value = property.namedChild(1);
    if (property.type === 'object_property' && value) found.set(nameOf(property), value);
  }
  return found;
}

/** Items of an array in source: a literal's text, anything else as written. */
export function itemTexts(array: Node | null | undefined): string[] {
  return (array?.namedChildren ?? [])
    .filter((child) => child.type !== 'comment')
    .map((child) => (child.type === 'string' ? stringText(child) : child.text));
}

/** The text of a literal; empty for what is none. */
export function stringText(node: Node | null): string {
  return node?.type === 'string' ? node.text.slice(1, -1) : '';
}

function appSettings(candidates: readonly Node[]): Map<string, string> {
  const array = candidates.find((property) => nameOf(property) === 'appSettings')?.namedChild(1);
  const settings = new Map<string, string>();
  for (const entry of array?.namedChildren ?? []) {
    const fields = properties(entry);
    const name = fields.get('name');
    if (name) settings.set(stringText(name), fields.get('value')?.text ?? '');
  }
  return settings;
}

function outputUse(node: Node): { symbol: string; output: string }[] {
  const [symbol = '', outputs, output = ''] = node.text.split('.');
  return outputs === 'outputs' && /^\w+$/.test(output) ? [{ symbol, output }] : [];
}

function syntaxErrors(root: Node): string[] {
  const found: string[] = [];
  const visit = (node: Node): void => {
    if (node.isError || node.isMissing) found.push(`line ${node.startPosition.row + 1}: "${node.text.slice(0, 40)}"`);
    for (const child of node.children) if (child.hasError || child.isMissing) visit(child);
  };
  visit(root);
  return found;
}
