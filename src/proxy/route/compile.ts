import { CodeUnitList, Int32List } from '../../base/growable.ts';
import { pathPrefixStem } from '../../decide/match.ts';
import { compileRegex } from '../../decide/regex.ts';
import { lowerAscii } from '../../decide/strings.ts';
import type { FlatTables } from '../../model/events.ts';
import type { RouteMatch } from '../../model/match.ts';
import type { VirtualHost } from '../../model/route.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { buildHostTable } from './host-table.ts';
import { headerWords, magic, sections, type SectionName, version } from './layout.ts';
import { buildNames } from './names.ts';
import { PoolWriter } from './pool.ts';
import { buildTrie, type TrieItem } from './trie.ts';

interface Builder {
  readonly buckets: Int32List;
  readonly nodes: Int32List;
  readonly lists: Int32List;
  readonly hostSlots: Int32List;
  readonly text: CodeUnitList;
}

/**
 * Compiles a snapshot into flat tables: an index that prunes (hosts, path tries, ranks) and JSON texts that a worker
 * parses at first use. Runs off the data path; never throws on a valid snapshot.
 */
export function compileTables(snapshot: Snapshot): FlatTables {
  const builder: Builder = {
    buckets: new Int32List(),
    nodes: new Int32List(),
    lists: new Int32List(),
    hostSlots: new Int32List(),
    text: new CodeUnitList(),
  };
  const listeners = new Int32List();
  const virtualHosts = new Int32List();
  const entryRoutes = new Int32List();
  let hostCount = 0;
  for (const [listenerIndex, listener] of snapshot.listeners.entries()) {
    const domains: [string, number][] = [];
    const first = hostCount;
    for (const host of listener.virtualHosts) {
      for (const domain of host.domains) domains.push([domain, hostCount]);
      hostCount++;
      const base = entryRoutes.length;
      for (const entry of host.matches) entryRoutes.push(entry.route);
      pushAll(virtualHosts, buildHostTable(bucketsOf(host, base, builder), builder.hostSlots, builder.text));
      pushAll(virtualHosts, [base, host.matches.length, listenerIndex]);
    }
    pushAll(listeners, buildHostTable(domains, builder.hostSlots, builder.text));
    pushAll(listeners, [first, hostCount - first]);
  }
  const hosts = snapshot.listeners.flatMap((listener) => listener.virtualHosts);
  const pool = new PoolWriter();
  const index = assemble({
    listeners: listeners.view(),
    virtualHosts: virtualHosts.view(),
    buckets: builder.buckets.view(),
    nodes: builder.nodes.view(),
    lists: builder.lists.view(),
    hostSlots: builder.hostSlots.view(),
    clusterSlots: buildNames(snapshot.clusters.map((cluster, i) => [cluster.name, i])),
    consumerSlots: buildNames(
      snapshot.consumers.flatMap((consumer, i): [string, number][] => [
        [consumer.id, i],
        ...(consumer.username === null ? [] : [[consumer.username, i] satisfies [string, number]]),
      ]),
    ),
    keySlots: buildNames(snapshot.consumers.flatMap((consumer, i) => consumer.keys.map((key): [string, number] => [key.sha256, i]))),
    entryRoutes: entryRoutes.view(),
    text: builder.text.view(),
    listenerTexts: pool.writeAll(snapshot.listeners.map((listener) => ({ ...listener, virtualHosts: [] }))),
    virtualHostTexts: pool.writeAll(hosts.map((host) => ({ ...host, matches: [] }))),
    entryTexts: pool.writeAll(entriesOf(hosts)),
    routeTexts: pool.writeAll(snapshot.routes),
    clusterTexts: pool.writeAll(snapshot.clusters),
    consumerTexts: pool.writeAll(snapshot.consumers),
    secretSlots: buildNames((snapshot.secrets ?? []).map((secret, i) => [secret.name, i])),
    secretTexts: pool.writeAll(snapshot.secrets ?? []),
  });
  return { index, pool: pool.finish() };
}

function pushAll(list: Int32List, values: readonly number[]): void {
  for (const value of values) list.push(value);
}

function* entriesOf(hosts: readonly VirtualHost[]): Generator<unknown> {
  for (const host of hosts) yield* host.matches;
}

/** One bucket for each host pattern among the entries; entries for every host are under `*`. */
function bucketsOf(host: VirtualHost, base: number, builder: Builder): [string, number][] {
  const sensitive = new Map<string, TrieItem[]>();
  const folded = new Map<string, TrieItem[]>();
  for (const [rank, entry] of host.matches.entries()) {
    const place = placeOf(entry.match, base + rank);
    const into = place.fold ? folded : sensitive;
    const patterns = entry.match.hosts === undefined ? ['*'] : new Set(entry.match.hosts.map((matcher) => matcher.pattern.toLowerCase()));
    for (const pattern of patterns) {
      const items = into.get(pattern);
      if (items === undefined) into.set(pattern, [place.item]);
      else items.push(place.item);
    }
  }
  const result: [string, number][] = [];
  for (const pattern of new Set([...sensitive.keys(), ...folded.keys()])) {
    const bucket = builder.buckets.length / 2;
    builder.buckets.push(root(sensitive.get(pattern), builder));
    builder.buckets.push(root(folded.get(pattern), builder));
    result.push([pattern, bucket]);
  }
  return result;
}

function root(items: TrieItem[] | undefined, builder: Builder): number {
  return items === undefined ? -1 : buildTrie(items, builder.nodes, builder.lists, builder.text);
}

/** Where an entry stands in a path trie: never deeper than any path that it could match. */
function placeOf(match: RouteMatch, id: number): { readonly item: TrieItem; readonly fold: boolean } {
  const { path } = match;
  if (path === undefined) return { item: { key: '', exact: false, id }, fold: false };
  switch (path.kind) {
    case 'exact':
    case 'prefix': {
      const fold = path.ignoreCase === true;
      return { item: { key: fold ? lowerAscii(path.value) : path.value, exact: path.kind === 'exact', id }, fold };
    }
    case 'path-prefix':
      return { item: { key: pathPrefixStem(path.value), exact: false, id }, fold: false };
    case 'regex': {
      const regex = compileRegex(path.value, { anchor: path.anchor });
      return { item: { key: regex.ok ? regex.value.literalPrefix : '', exact: false, id }, fold: false };
    }
  }
}

function assemble(parts: Readonly<Record<SectionName, Int32Array | Uint16Array>>): SharedArrayBuffer {
  let bytes = headerWords * 4;
  for (const name of sections) bytes += padded(parts[name].byteLength);
  const shared = new SharedArrayBuffer(bytes);
  const header = new Int32Array(shared, 0, headerWords);
  header[0] = magic;
  header[1] = version;
  let at = headerWords * 4;
  for (const [i, name] of sections.entries()) {
    const part = parts[name];
    header[2 + i * 2] = at / 4;
    header[3 + i * 2] = part.length;
    if (part instanceof Int32Array) new Int32Array(shared, at, part.length).set(part);
    else new Uint16Array(shared, at, part.length).set(part);
    at += padded(part.byteLength);
  }
  return shared;
}

function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}
