/** Host names as Istio reads them. All functions take and give lower case. */
import { isIP } from 'node:net';

const clusterDomain = 'svc.cluster.local';

/** A name without a dot is a service of the namespace; wildcards, IP addresses and dotted names stay as they are. */
export function qualify(host: string, namespace: string | null): string {
  const name = host.toLowerCase();
  return isShort(name) ? `${name}.${namespace ?? 'default'}.${clusterDomain}` : name;
}

/** Whether `qualify` would add to it. */
export function isShort(host: string): boolean {
  return !host.includes('.') && !host.startsWith('*') && isIP(host) === 0 && !host.includes(':');
}

/** Whether every name of `narrow` is one of `wide`; both exact, `*.suffix` or `*`. */
export function covers(wide: string, narrow: string): boolean {
  if (wide === '*' || wide === narrow) return true;
  return wide.startsWith('*') && narrow.length > wide.length - 1 && narrow.endsWith(wide.slice(1));
}

/** The narrower of two patterns, or null when no host is in both. */
export function intersection(a: string, b: string): string | null {
  return covers(a, b) ? b : covers(b, a) ? a : null;
}

/** `exportTo`: `*` every namespace, `.` the resource's own, `~` none, else names. Absent: every namespace. */
export function isVisible(exportTo: readonly string[] | undefined, own: string | null, viewer: string | null): boolean {
  if (exportTo === undefined || exportTo.length === 0) return true;
  return exportTo.some((to) => to === '*' || (to === '.' ? own === viewer : to === viewer));
}

/** Names by which a caller may reach a cluster service, the full one first: `a.ns.svc.cluster.local`, `a.ns.svc`, `a.ns`, `a`. */
export function aliases(host: string): { readonly full: readonly string[]; readonly short: string | null } {
  const suffix = `.${clusterDomain}`;
  if (!host.endsWith(suffix) || host.startsWith('*')) return { full: [host], short: null };
  const stem = host.slice(0, -suffix.length);
  const labels = stem.split('.');
  if (labels.length !== 2) return { full: [host], short: null };
  return { full: [host, `${stem}.svc`, stem], short: labels[0] };
}
