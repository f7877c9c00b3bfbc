import type { HostMatcher } from '../model/match.ts';

/** How a host pattern is looked up. `text` is what the host equals, ends with (`.example.com`) or begins with (`example.`). */
export interface HostPattern {
  readonly kind: 'exact' | 'suffix' | 'prefix' | 'any';
  readonly text: string;
}

/** Reads a pattern as HostMatcher.pattern defines it; in lower case. */
export function parseHostPattern(pattern: string): HostPattern {
  const text = pattern.toLowerCase();
  if (text === '*') return { kind: 'any', text: '' };
  if (text.startsWith('*.')) return { kind: 'suffix', text: text.slice(1) };
  if (text.endsWith('.*')) return { kind: 'prefix', text: text.slice(0, -1) };
  return { kind: 'exact', text };
}

/** `host` in lower case, without port. A wildcard stands for at least one character. */
export function hostMatches(pattern: HostPattern, host: string): boolean {
  switch (pattern.kind) {
    case 'any':
      return true;
    case 'exact':
      return host === pattern.text;
    case 'suffix':
      return host.length > pattern.text.length && host.endsWith(pattern.text);
    case 'prefix':
      return host.length > pattern.text.length && host.startsWith(pattern.text);
  }
}

/** As configuration writes it. */
export function describeHost(matcher: HostMatcher): string {
  return matcher.port === undefined ? matcher.pattern : `${matcher.pattern}:${matcher.port}`;
}
