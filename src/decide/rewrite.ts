import type { PathRewrite } from '../model/route.ts';
import { compileRegex, type CompiledRegex } from './regex.ts';
import { noRegex } from './strings.ts';

/** Patterns of rewrites in use, compiled at first use; they go with the snapshot that holds the rewrite. */
const patterns = new WeakMap<PathRewrite, CompiledRegex>();

/** What no request target may hold as it is. */
const UNSENT = /[^\x21-\x7e]+|#/g;
/** A Location may have a fragment. */
const UNSENT_IN_LOCATION = /[^\x21-\x7e]+/g;

/**
 * The new path: begins with `/`, except `*`. `path` is the canonical one without query; `matched` is what the winning
 * match's path condition covered, in characters. What configuration brings along and no target may hold goes out as escapes.
 */
export function rewritePath(rewrite: PathRewrite, path: string, matched: number): string {
  return escapeAll(rewritten(rewrite, path, matched), UNSENT);
}

/** The same for a Location. */
export function redirectPath(rewrite: PathRewrite, path: string, matched: number): string {
  return escapeAll(rewritten(rewrite, path, matched), UNSENT_IN_LOCATION);
}

function escapeAll(text: string, unsent: RegExp): string {
  return text.replace(unsent, (found) => Buffer.from(found).toString('hex').toUpperCase().replace(/../g, '%$&'));
}

function rewritten(rewrite: PathRewrite, path: string, matched: number): string {
  // The asterisk-form names the server and no path (RFC 9112 section 3.2.4).
  if (path === '*') return path;
  const result = apply(rewrite, path, matched);
  const rooted = result.startsWith('/') ? result : `/${result}`;
  return hasDotSegment(rooted) && !hasDotSegment(path) ? withoutDotSegments(rooted) : rooted;
}

function patternOf(rewrite: PathRewrite & { readonly kind: 'regex' }): CompiledRegex {
  const known = patterns.get(rewrite);
  if (known !== undefined) return known;
  const compiled = compileRegex(rewrite.pattern, { anchor: 'search' });
  // Dialects refuse such a pattern; here it only must not take the route down.
  const regex = compiled.ok ? compiled.value : noRegex;
  patterns.set(rewrite, regex);
  return regex;
}

function apply(rewrite: PathRewrite, path: string, matched: number): string {
  switch (rewrite.kind) {
    case 'full':
      return rewrite.path;
    case 'prefix':
      return rewrite.replacement + path.slice(matched);
    case 'path-prefix': {
      const { replacement } = rewrite;
      // The rest begins with a slash or is empty, so the replacement's own last slash would double it.
      return (replacement.endsWith('/') ? replacement.slice(0, -1) : replacement) + path.slice(matched);
    }
    case 'regex':
      return patternOf(rewrite).replace(path, rewrite.substitution);
    case 'kong':
      return kongPath(rewrite.servicePath === '' ? '/' : rewrite.servicePath, path, matched, rewrite.strip, rewrite.handling);
  }
}

/** Kong's route documentation, "path_handling": how service path and request path are joined. */
function kongPath(base: string, path: string, matched: number, strip: boolean, handling: 'v0' | 'v1'): string {
  const slash = base.endsWith('/');
  if (!strip) {
    if (handling === 'v1' || slash) return base + path.slice(1);
    return path === '/' ? base : base + path;
  }
  // Without a path condition Kong takes `/` as what was matched.
  const rest = withoutLeadingDots(path.slice(Math.max(matched, 1)));
  if (slash && rest.startsWith('/')) return base.slice(0, -1) + rest;
  if (handling === 'v1') return base + rest;
  if (rest !== '') return slash || rest.startsWith('/') ? base + rest : `${base}/${rest}`;
  // Nothing is left: the result ends with a slash when the request did.
  if (slash) return base === '/' || path.endsWith('/') ? base : base.slice(0, -1);
  return path.length > 1 && path.endsWith('/') ? `${base}/` : base;
}

/** `/a../b` with `/a` stripped must not climb out of the service's path. */
function withoutLeadingDots(rest: string): string {
  let at = 0;
  for (;;) {
    if (rest.startsWith('./', at)) at += 2;
    else if (rest.startsWith('../', at)) at += 3;
    else break;
  }
  const left = rest.slice(at);
  return left === '.' || left === '..' ? '' : left;
}

function hasDotSegment(path: string): boolean {
  if (!path.includes('/.')) return false;
  for (let at = path.indexOf('/.'); at >= 0; at = path.indexOf('/.', at + 1)) {
    const next = path.charCodeAt(at + 2) === 0x2e ? at + 3 : at + 2;
    if (next >= path.length || path.charCodeAt(next) === 0x2f || path.charCodeAt(next) === 0x3f) return true;
  }
  return false;
}

/** RFC 3986 section 5.2.4, for an absolute path; a query that a rewrite brought along is left alone. */
function withoutDotSegments(target: string): string {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const out: string[] = [];
  const segments = path.split('/').slice(1);
  for (const [i, segment] of segments.entries()) {
    const last = i === segments.length - 1;
    if (segment === '..') out.pop();
    else if (segment !== '.') out.push(segment);
    if (last && (segment === '.' || segment === '..')) out.push('');
  }
  return `/${out.join('/')}${mark < 0 ? '' : target.slice(mark)}`;
}
