/** Kong expressions as route matches, where a match says the same; otherwise the reason why not. */
import { err, ok, type Result } from '../../../base/result.ts';
import type { HeaderMatcher, HostMatcher, PathMatcher, QueryMatcher, RouteMatch, StringMatcher } from '../../../model/match.ts';
import { canonicalEncoding, regexOf } from '../paths.ts';
import type { Expression, Operator, Predicate } from './parse.ts';

/** Alternatives of one expression at most. */
const maxAlternatives = 64;

export interface ExpressionMatch {
  readonly match: RouteMatch;
  /** True when the path condition covers something that `strip_path` takes off: a prefix or a regular expression. */
  readonly covers: boolean;
}

/** One entry for each alternative of the expression. */
export function expressionMatches(expression: Expression): Result<readonly ExpressionMatch[], string> {
  const alternatives = disjuncts(positive(expression, false));
  if (alternatives === null) return err(`it has more than ${maxAlternatives} alternatives`);
  const matches: ExpressionMatch[] = [];
  for (const conjunction of alternatives) {
    const match = conjunctionMatch(conjunction);
    if (!match.ok) return match;
    matches.push(match.value);
  }
  return ok(matches);
}

const opposite: Partial<Record<Operator, Operator>> = {
  '==': '!=',
  '!=': '==',
  '>': '<=',
  '<=': '>',
  '<': '>=',
  '>=': '<',
  in: 'not in',
  'not in': 'in',
};

type Literal = Predicate & { readonly negated?: boolean };
type Positive = { readonly kind: 'and' | 'or'; readonly items: readonly Positive[] } | Literal;

/** Negation pushed down to the predicates (De Morgan). */
function positive(expression: Expression, negate: boolean): Positive {
  switch (expression.kind) {
    case 'not':
      return positive(expression.item, !negate);
    case 'predicate': {
      if (!negate) return expression;
      const operator = opposite[expression.operator];
      return operator === undefined ? { ...expression, negated: true } : { ...expression, operator };
    }
    default:
      return { kind: (expression.kind === 'and') === negate ? 'or' : 'and', items: expression.items.map((item) => positive(item, negate)) };
  }
}

/** Disjunctive normal form; null when it is too large. */
function disjuncts(expression: Positive): readonly (readonly Literal[])[] | null {
  if (expression.kind === 'predicate') return [[expression]];
  let result: readonly (readonly Literal[])[] = expression.kind === 'or' ? [] : [[]];
  for (const item of expression.items) {
    const inner = disjuncts(item);
    if (inner === null) return null;
    result = expression.kind === 'or' ? [...result, ...inner] : result.flatMap((left) => inner.map((right) => [...left, ...right]));
    if (result.length > maxAlternatives) return null;
  }
  return result;
}

interface Draft {
  path?: PathMatcher;
  covers: boolean;
  hosts?: readonly HostMatcher[];
  methods?: readonly StringMatcher[];
  scheme?: 'http' | 'https';
  snis?: readonly HostMatcher[];
  ports?: readonly number[];
  readonly headers: HeaderMatcher[];
  readonly query: QueryMatcher[];
}

function conjunctionMatch(literals: readonly Literal[]): Result<ExpressionMatch, string> {
  const draft: Draft = { covers: false, headers: [], query: [] };
  for (const literal of literals) {
    const reason = add(draft, literal);
    if (reason !== null) return err(reason);
  }
  const { covers, headers, query, scheme, ...rest } = draft;
  return ok({
    covers,
    match: {
      ...rest,
      ...(scheme === undefined ? {} : { scheme: { kind: 'exact', value: scheme } }),
      ...(headers.length === 0 ? {} : { headers }),
      ...(query.length === 0 ? {} : { query }),
    },
  });
}

/** Null when the condition is in the draft. */
function add(draft: Draft, literal: Literal): string | null {
  const { field, operator, value, lower } = literal;
  const cannot = `${field} ${literal.negated === true ? `not ${operator}` : operator} …`;
  if (literal.negated === true) return cannot;
  if (lower && value.text !== value.text.toLowerCase()) return `${cannot}: a lower() value never has capitals`;
  switch (field) {
    case 'net.protocol':
      return addScheme(draft, operator, value.text) ? null : cannot;
    case 'http.method':
      if (operator !== '==' || lower || draft.methods !== undefined) return cannot;
      draft.methods = [{ kind: 'exact', value: value.text }];
      return null;
    case 'http.host': {
      const host = hostMatcher(operator, value.text.toLowerCase());
      if (host === null || draft.hosts !== undefined) return cannot;
      draft.hosts = [host];
      return null;
    }
    case 'tls.sni':
      if (operator !== '==' || draft.snis !== undefined || !addScheme(draft, '==', 'https')) return cannot;
      draft.snis = [{ pattern: value.text.toLowerCase() }];
      return null;
    case 'net.dst.port':
      if (operator !== '==' || draft.ports !== undefined) return cannot;
      draft.ports = [Number(value.text)];
      return null;
    case 'http.path': {
      const path = pathMatcher(operator, operator === '~' ? value.text : canonicalEncoding(value.text), lower);
      if (path === null || draft.path !== undefined) return cannot;
      draft.path = path.matcher;
      draft.covers = path.covers;
      return null;
    }
  }
  const string = stringMatcher(operator, value.text, lower);
  if (string === null) return cannot;
  if (field.startsWith('http.headers.')) {
    draft.headers.push({
      name: field.slice('http.headers.'.length).replaceAll('_', '-'),
      values: [string],
      ...(literal.any ? { eachLine: true } : {}),
    });
    return null;
  }
  // any() looks at every value of a repeated parameter; a match looks at the first.
  if (field.startsWith('http.queries.') && !literal.any) {
    draft.query.push({ name: field.slice('http.queries.'.length), value: string });
    return null;
  }
  return literal.any ? `any(${field}) ${operator} …` : cannot;
}

function addScheme(draft: Draft, operator: Operator, text: string): boolean {
  const other = text === 'http' ? 'https' : 'http';
  if (text !== 'http' && text !== 'https') return false;
  const scheme = operator === '==' ? text : operator === '!=' ? other : null;
  if (scheme === null || (draft.scheme !== undefined && draft.scheme !== scheme)) return false;
  draft.scheme = scheme;
  return true;
}

function hostMatcher(operator: Operator, text: string): HostMatcher | null {
  if (operator === '==') return { pattern: text };
  if (operator === '=^' && text.startsWith('.') && text.length > 1) return { pattern: `*${text}` };
  if (operator === '^=' && text.endsWith('.') && text.length > 1) return { pattern: `${text}*` };
  return null;
}

function pathMatcher(operator: Operator, text: string, lower: boolean): { readonly matcher: PathMatcher; readonly covers: boolean } | null {
  const fold = lower ? { ignoreCase: true } : {};
  switch (operator) {
    case '==':
      return { matcher: { kind: 'exact', value: text, ...fold }, covers: false };
    case '^=':
      return { matcher: { kind: 'prefix', value: text, ...fold }, covers: true };
    case '=^':
      return lower ? null : { matcher: { kind: 'regex', value: `[\\s\\S]*${literalPattern(text)}`, anchor: 'full' }, covers: false };
    case 'contains':
      return lower
        ? null
        : { matcher: { kind: 'regex', value: `[\\s\\S]*${literalPattern(text)}[\\s\\S]*`, anchor: 'full' }, covers: false };
    case '~': {
      // Only what is anchored covers the beginning of the path.
      const pattern = regexOf(`~${text}`);
      return lower || !pattern.startsWith('^') || hasOpenAlternative(pattern)
        ? null
        : { matcher: { kind: 'regex', value: pattern, anchor: 'start' }, covers: true };
    }
    default:
      return null;
  }
}

function stringMatcher(operator: Operator, text: string, lower: boolean): StringMatcher | null {
  const fold = lower ? { ignoreCase: true } : {};
  switch (operator) {
    case '==':
      return { kind: 'exact', value: text, ...fold };
    case '^=':
      return { kind: 'prefix', value: text, ...fold };
    case '=^':
      return { kind: 'suffix', value: text, ...fold };
    case 'contains':
      return { kind: 'contains', value: text, ...fold };
    case '~':
      return { kind: 'regex', value: regexOf(`~${text}`), anchor: 'search', ...fold };
    default:
      return null;
  }
}

function literalPattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** A `|` outside of parentheses: the first `^` then binds one alternative alone. */
function hasOpenAlternative(pattern: string): boolean {
  let depth = 0;
  let inClass = false;
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i];
    if (character === '\\') i++;
    else if (inClass) inClass = character !== ']';
    else if (character === '[') inClass = true;
    else if (character === '(') depth++;
    else if (character === ')') depth--;
    else if (character === '|' && depth === 0) return true;
  }
  return false;
}
