/** Istio `headers` → the header-modifier filter. `Host` and `:authority` become the authority that is sent upstream. */
import { headerModifierSchema, headerName, headerValue } from '../../filters/header-modifier/schema.ts';
import { templateProblem } from '../../filters/header-modifier/template.ts';
import type { FilterConfig } from '../../model/filter.ts';
import type { Path, Resource } from '../dialect.ts';
import { fieldName } from '../check.ts';
import { originAt, type Reporter } from './report.ts';
import type { HeaderOperations } from './schema/common.ts';

interface Header {
  readonly name: string;
  readonly value: string;
}

interface Side {
  readonly set?: readonly Header[];
  readonly add?: readonly Header[];
  readonly remove?: readonly string[];
}

export interface TranslatedHeaders {
  readonly filters: readonly FilterConfig[];
  /** Authority set on the request; null when there is none. */
  readonly authority: string | null;
}

export const noHeaders: TranslatedHeaders = { filters: [], authority: null };

/** `path` is that of the `headers` field in its resource; `id` names the route or the destination. */
export function translateHeaders(
  headers: HeaderOperations | undefined,
  owner: Resource,
  path: Path,
  id: string,
  report: Reporter,
): TranslatedHeaders {
  if (headers === undefined) return noHeaders;
  const authorityOf = (values: Record<string, string> | undefined): string | undefined =>
    Object.entries(values ?? {}).findLast(([name]) => isAuthority(name))?.[1];
  const authority = authorityOf(headers.request?.set) ?? authorityOf(headers.request?.add) ?? null;
  const request = sideOf(headers.request, true, owner, [...path, 'request'], report);
  const response = sideOf(headers.response, false, owner, [...path, 'response'], report);
  if (request === null && response === null) return { filters: [], authority };
  const config = headerModifierSchema.safeParse({
    ...(request === null ? {} : { request }),
    ...(response === null ? {} : { response }),
    operators: true,
  });
  if (!config.success) {
    report.add('WR0105', owner, path, `${fieldName(path)} cannot be applied: ${config.error.issues[0]?.message ?? 'not valid'}`);
    return { filters: [], authority };
  }
  return {
    filters: [{ name: 'header-modifier', config: config.data, origin: originAt(owner, path), stateKey: `${id}/header-modifier` }],
    authority,
  };
}

function isAuthority(name: string): boolean {
  const lower = name.toLowerCase();
  return lower === 'host' || lower === ':authority';
}

function sideOf(side: HeaderOperations['request'], request: boolean, owner: Resource, path: Path, report: Reporter): Side | null {
  if (side === undefined) return null;
  const usable = (name: string, at: Path, value: string | null): boolean => {
    if (isAuthority(name) || name.startsWith(':')) {
      // Istio drops other changes of pseudo headers without a word.
      if (!request || at.includes('remove') || !isAuthority(name)) report.pending(owner, at, `'${name}' can only be set, on requests`);
      return false;
    }
    const problem = headerName.safeParse(name).error ?? (value === null ? undefined : headerValue.safeParse(value).error);
    const message = problem?.issues[0]?.message ?? (value === null ? null : templateProblem(value));
    if (message !== null) report.pending(owner, at, message);
    return message === null;
  };
  const entries = (verb: 'set' | 'add'): Header[] =>
    Object.entries(side[verb] ?? {})
      .filter(([name, value]) => usable(name, [...path, verb, name], value))
      .map(([name, value]) => ({ name, value }));
  const set = entries('set');
  const add = entries('add');
  const remove = (side.remove ?? []).filter((name, index) => usable(name, [...path, 'remove', index], null));
  if (set.length + add.length + remove.length === 0) return null;
  return { ...(set.length === 0 ? {} : { set }), ...(add.length === 0 ? {} : { add }), ...(remove.length === 0 ? {} : { remove }) };
}
