/** Hosts and SNIs of Kong routes. */
import { err, ok, type Result } from '../../base/result.ts';
import type { HostMatcher } from '../../model/match.ts';

const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * `example.com`, `*.example.com`, `example.*`, each with an optional `:port`; IP addresses. Kong compares hosts
 * without regard to case and takes one wildcard, as the first or the last label.
 */
export function parseHost(text: string): Result<HostMatcher, string> {
  const bracket = /^(\[[0-9a-fA-F:.]+\])(?::(\d+))?$/.exec(text);
  const [, name = '', digits] = bracket ?? /^([^:]*)(?::(\d+))?$/.exec(text) ?? [];
  if (name === '') return err(`'${text}' is not a host name`);
  const port = digits === undefined ? null : Number(digits);
  if (port !== null && (port < 1 || port > 65_535)) return err(`port ${port} is not between 1 and 65535`);
  const pattern = name.toLowerCase();
  if (bracket === null) {
    const labels = pattern.split('.');
    const wildcards = labels.filter((part) => part.includes('*'));
    if (wildcards.length > 1) return err('only one wildcard is allowed');
    if (wildcards.length === 1 && wildcards[0] !== '*') return err('a wildcard stands for a whole label: *.example.com or example.*');
    if (wildcards.length === 1 && labels[0] !== '*' && labels.at(-1) !== '*')
      return err('the wildcard must be the first or the last label');
    const broken = labels.find((part) => part !== '*' && !label.test(part));
    if (broken !== undefined) return err(`'${broken}' is not a label of a host name`);
  }
  return ok(port === null ? { pattern } : { pattern, port });
}

/** A server name without trailing dot: the last dot takes no part in routing. */
export function parseSni(text: string): Result<HostMatcher, string> {
  const parsed = parseHost(text.length > 1 && text.endsWith('.') ? text.slice(0, -1) : text);
  return parsed.ok && parsed.value.port !== undefined ? err('a server name has no port') : parsed;
}
