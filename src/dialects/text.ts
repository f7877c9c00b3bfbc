import type { Document, ErrorCode, Node, ParsedNode, YAMLParseError, YAMLWarning } from 'yaml';
import { isAlias, isMap, isPair, isScalar, isSeq, parseAllDocuments, visit } from 'yaml';
import { diagnose } from '../analysis/messages.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { LocatedDocument, Path } from './dialect.ts';
import { LineIndex, maxDepth, readJson } from './json-text.ts';

/** What one file holds. */
export interface ParsedText {
  /** Documents whose text is sound, in order; empty ones are left out, items of a `List` stand alone. */
  readonly documents: readonly LocatedDocument[];
  /**
   * What could be read of documents with syntax errors. They tell which resources are affected and must never be
   * applied.
   */
  readonly damaged: readonly LocatedDocument[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Characters of the library's messages, which quote the text. */
const maxQuoted = 200;
/** Each alias may stand for this many nodes in all: "billion laughs" ends here. */
const maxAliases = 100;

/** Damaged JSON up to this length, in characters, is read once more for the policies it holds. */
const maxDamagedJson = 4 * 1024 * 1024;

/**
 * Splits a YAML or JSON text into documents that know their places. Never throws; every problem is a WR0101.
 * YAML is 1.2 core schema with merge keys.
 */
export function parseText(file: string, text: string): ParsedText {
  const looksLikeJson = /^[\s\uFEFF]*[{[]/.test(text);
  if (file.endsWith('.json') || looksLikeJson) {
    const result = readJson(text);
    if (result.ok) {
      const lines = new LineIndex(text);
      const locate = (path: Path, key = false) => lines.place(result.json.offsetOf(path, key));
      return {
        documents: expand({ file, index: 0, value: result.json.value, locate }, 0),
        damaged: [],
        diagnostics: [],
      };
    }
    if (file.endsWith('.json')) {
      if (text.trim() === '') return { documents: [], damaged: [], diagnostics: [] };
      const { offset, message, hint } = result.problem;
      // JSON is YAML, whose reader goes on after an error: what it finds closes the scope of a policy.
      const rest = text.length > maxDamagedJson ? null : parseYaml(file, text);
      return {
        documents: [],
        damaged: rest === null ? [] : [...rest.documents, ...rest.damaged],
        diagnostics: [problem(file, new LineIndex(text).place(offset), message, hint)],
      };
    }
  }
  return parseYaml(file, text);
}

function parseYaml(file: string, text: string): ParsedText {
  const lines = new LineIndex(text);
  const documents: LocatedDocument[] = [];
  const damaged: LocatedDocument[] = [];
  const diagnostics: Diagnostic[] = [];
  let parsed: readonly Document.Parsed<ParsedNode, true>[] = [];
  try {
    const result = parseAllDocuments(text, {
      prettyErrors: false,
      merge: true,
      logLevel: 'silent',
      stringKeys: false,
    });
    if ('empty' in result) return { documents, damaged, diagnostics };
    parsed = result;
  } catch (error) {
    // The library recurses: a text nested thousands deep ends here.
    const reason = error instanceof RangeError ? 'the text is nested too deep' : String(error);
    diagnostics.push(problem(file, { line: 1, column: 1 }, reason, 'No kind of document needs that depth.'));
    return { documents, damaged, diagnostics };
  }
  let index = 0;
  for (const document of parsed) {
    const { value, problems } = evaluate(
      document,
      (offset, message, hint) => problem(file, lines.place(offset), message, hint),
      (offset) => /^["']?([\w.$-]{1,64})/.exec(text.slice(offset, offset + 80))?.[1] ?? '',
    );
    diagnostics.push(...problems);
    if (value === null || value === undefined) continue;
    const locate = (path: Path, key = false) => lines.place(offsetOf(document, path, key));
    const expanded = expand({ file, index, value, locate }, index);
    index += expanded.length;
    (problems.length === 0 ? documents : damaged).push(...expanded);
  }
  return { documents, damaged, diagnostics };
}

function evaluate(
  document: Document.Parsed<ParsedNode, true>,
  report: (offset: number, message: string, hint: string) => Diagnostic,
  wordAt: (offset: number) => string,
): { readonly value: unknown; readonly problems: readonly Diagnostic[] } {
  const problems: Diagnostic[] = [];
  // After the first syntax error of a document the others are its echo.
  const first = document.errors[0] ?? document.warnings[0];
  if (first) {
    const offset = offsetOfError(document, first);
    const twice = first.code === 'DUPLICATE_KEY' ? wordAt(offset) : '';
    problems.push(
      report(
        offset,
        twice === '' ? sentence(first.message, first.code) : `the field '${twice}' occurs twice in one map`,
        twice === 'apiVersion' || twice === 'kind' || twice === 'metadata'
          ? 'Put a line with --- between two documents.'
          : hintFor(first.code),
      ),
    );
  }
  const top = document.contents?.range[0] ?? 0;
  try {
    const value: unknown = document.toJS({ maxAliasCount: maxAliases });
    const height = heightOf(value, new Map());
    if (height <= maxDepth) return { value, problems };
    const message = height === Infinity ? 'an alias stands inside its own anchor' : `maps and lists are nested more than ${maxDepth} deep`;
    return {
      value: null,
      problems: [report(top, message, 'No kind of document needs that; write the part out.')],
    };
  } catch (error) {
    if (problems.length === 0) {
      const dangling = danglingAlias(document);
      const message =
        error instanceof RangeError ? 'maps and lists are nested too deep' : error instanceof Error ? error.message : String(error);
      problems.push(
        dangling === null
          ? report(
              top,
              sentence(message, null),
              'Check the anchors (&name) and aliases (*name) of this document; write repeated parts out.',
            )
          : report(
              dangling.offset,
              `the alias *${dangling.name} has no anchor before it`,
              `Quote a value that starts with *: "*${dangling.name}". Otherwise define the anchor &${dangling.name} first.`,
            ),
      );
    }
    return { value: null, problems };
  }
}

/** A quote that is never closed is found at the end of the text; the reader wants to see where it opens. */
function offsetOfError(document: Document.Parsed<ParsedNode, true>, error: YAMLParseError | YAMLWarning): number {
  const [at] = error.pos;
  if (error.code !== 'MISSING_CHAR' || !error.message.includes('quote')) return at;
  let opened: number | null = null;
  visit(document, {
    Scalar: (_key, node) => {
      if ((node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE') && node.range) [opened] = node.range;
    },
  });
  return opened ?? at;
}

function danglingAlias(document: Document.Parsed<ParsedNode, true>): { readonly name: string; readonly offset: number } | null {
  let found: { readonly name: string; readonly offset: number } | null = null;
  visit(document, {
    Alias: (_key, node) => {
      if (node.resolve(document) !== undefined) return undefined;
      found = { name: node.source, offset: start(node) ?? 0 };
      return visit.BREAK;
    },
  });
  return found;
}

/** Levels of maps and lists; infinite for a value that contains itself. Shared parts are visited once. */
function heightOf(value: unknown, known: Map<object, number>): number {
  if (typeof value !== 'object' || value === null) return 0;
  const before = known.get(value);
  if (before !== undefined) return before;
  known.set(value, Infinity);
  let height = 0;
  for (const child of Object.values(value)) height = Math.max(height, heightOf(child, known));
  known.set(value, height + 1);
  return height + 1;
}

/** Items of `kind: List` (and of `VirtualServiceList` …) stand alone, as kubectl treats them. */
function expand(document: LocatedDocument, from: number): LocatedDocument[] {
  const { value } = document;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [document];
  const kind: unknown = Reflect.get(value, 'kind');
  const items: unknown = Reflect.get(value, 'items');
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items)) return [document];
  return items.map((item: unknown, i) => ({
    file: document.file,
    index: from + i,
    value: item,
    locate: (path: Path, key?: boolean) => document.locate(['items', i, ...path], key),
  }));
}

function offsetOf(document: Document.Parsed<ParsedNode, true>, path: Path, key: boolean): number {
  let node = resolve(document, document.contents);
  let offset = start(document.contents) ?? 0;
  for (let i = 0; i < path.length; i++) {
    const step = path[i];
    if (isSeq(node)) {
      const item: unknown = node.items[Number(step)];
      if (item === undefined) return offset;
      offset = start(item) ?? offset;
      node = resolve(document, item);
    } else if (isMap(node)) {
      const pair = node.items.find(
        (candidate) => isPair(candidate) && isScalar(candidate.key) && String(candidate.key.value) === String(step),
      );
      if (pair === undefined) return offset;
      const keyOffset = start(pair.key) ?? offset;
      const valueNode: unknown = pair.value;
      // An empty value has no place of its own: the key's is what the reader looks for.
      const empty =
        valueNode === null || valueNode === undefined || (isScalar(valueNode) && valueNode.value === null && valueNode.source !== 'null');
      offset = (key && i === path.length - 1) || empty ? keyOffset : (start(valueNode) ?? keyOffset);
      node = resolve(document, valueNode);
    } else {
      return offset;
    }
  }
  return offset;
}

function resolve(document: Document.Parsed<ParsedNode, true>, node: unknown): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}

function start(node: unknown): number | null {
  const range = isNodeWithRange(node) ? node.range : null;
  return range ? range[0] : null;
}

function isNodeWithRange(node: unknown): node is Node {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node);
}

function problem(file: string, place: { readonly line: number; readonly column: number }, message: string, hint: string): Diagnostic {
  return diagnose('WR0101', { file, ...place }, null, message, { hint });
}

/** The library's text, in the voice of the other messages. */
function sentence(message: string, code: ErrorCode | null): string {
  if (code === 'DUPLICATE_KEY') return 'a field occurs twice in one map';
  if (code === 'TAB_AS_INDENT') return 'a tab is used as indentation';
  const text = message.replace(/ at line \d+, column \d+:?[\s\S]*$/, '').trim();
  if (text.startsWith('Excessive alias count')) return 'its aliases stand for more text than is read';
  return `not valid YAML: ${text.charAt(0).toLowerCase()}${text.slice(1, maxQuoted)}${text.length > maxQuoted ? ' …' : ''}`;
}

function hintFor(code: ErrorCode): string {
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'Indent with spaces; YAML forbids tabs.';
    case 'DUPLICATE_KEY':
      return 'Remove one of the two; put the values of both under one key when both are meant.';
    case 'BAD_INDENT':
      return 'Fields of one map start in the same column; a list item starts with "- ".';
    case 'BAD_ALIAS':
      return 'An alias (*name) needs an anchor (&name) before it; a value that starts with * or & must be quoted: "*.example.com".';
    case 'MISSING_CHAR':
      return 'Something that was opened is not closed, or a colon lacks its space: write "name: value".';
    case 'UNEXPECTED_TOKEN':
      return 'Quote values that start with one of @ ` % { } [ ] , & * ! | > and check the indentation.';
    case 'MULTILINE_IMPLICIT_KEY':
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'KEY_OVER_1024_CHARS':
      return 'Often a missing space after a colon, or a line that is indented too far: write "name: value".';
    case 'TAG_RESOLVE_FAILED':
      return 'Only the standard tags exist; quote the value when it starts with "!".';
    case 'BAD_DQ_ESCAPE':
      return "In double quotes a backslash is written as \\\\; in single quotes ('…') it stands for itself.";
    default:
      return 'Check quotes, indentation and the line above.';
  }
}
