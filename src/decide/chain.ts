/**
 * Which chain of a listener takes a connection (Envoy filter chain match, with the order of the list in the place of
 * Envoy's order of conditions). Listeners and explain choose with this code and no other.
 */
import type { ConnectionChain } from '../model/chain.ts';
import type { DialectName } from '../model/origin.ts';
import { AddressSet } from './addresses.ts';
import { hostMatches, parseHostPattern } from './host.ts';

/** Addresses of a connection: known before its first byte. */
export interface ConnectionAddresses {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/**
 * What a connection begins with. `plain`: not TLS, and nobody looked further. `http` and `other` only where the listener
 * detects protocols; `other` also stands for one that stayed silent.
 */
export type Beginning = 'tls' | 'plain' | 'http' | 'other';

/** What a connection shows of itself. */
export interface ConnectionView extends ConnectionAddresses {
  readonly begins: Beginning;
  /** SNI, lower case, no last dot; '' without. */
  readonly serverName: string;
}

/** One chain and why it was or was not taken. */
export interface ChainReason {
  readonly chain: ConnectionChain;
  readonly matched: boolean;
  readonly because: string;
}

interface Entry {
  readonly chain: ConnectionChain;
  readonly sources: AddressSet;
  readonly destinations: AddressSet;
  /** Of TLS that ends here, of names, or as configured: true; plain HTTP: false; layer 4: either. */
  readonly isTls: boolean | null;
}

/** The chains of one listener, ready to choose from. Costs a few look-ups however many there are. */
export class ChainTable {
  private readonly entries: readonly Entry[];
  /** Positions by exact server name and by suffix (`.example.com`), ascending. */
  private readonly exact = new Map<string, number[]>();
  private readonly suffixes = new Map<string, number[]>();
  /** Chains for `example.*` (Kong), as they stand; few. */
  private readonly prefixes: { readonly text: string; readonly at: number }[] = [];
  /** Positions of chains for any name, and none. */
  private readonly unnamed: number[] = [];
  private readonly detects: boolean;

  /** `detects`: the listener looks whether connections begin as HTTP (Listener.detectTimeoutMs). */
  constructor(chains: readonly ConnectionChain[], detects: boolean) {
    this.detects = detects;
    this.entries = chains.map((chain) => ({
      chain,
      sources: new AddressSet(chain.sources),
      destinations: new AddressSet(chain.destinations),
      isTls: wantsTls(chain),
    }));
    for (const [at, chain] of chains.entries()) {
      if (chain.serverNames.length === 0) this.unnamed.push(at);
      for (const name of chain.serverNames) {
        const { kind, text } = parseHostPattern(name);
        if (kind === 'any') push(this.unnamed, at);
        else if (kind === 'prefix') this.prefixes.push({ text, at });
        else {
          const into = kind === 'suffix' ? this.suffixes : this.exact;
          const list = into.get(text);
          if (list === undefined) into.set(text, [at]);
          else push(list, at);
        }
      }
    }
  }

  /**
   * The chain of a connection whose first bytes cannot change the choice: it may be one whose server speaks first.
   * `look`: they can; null: no chain is for these addresses.
   */
  early(from: ConnectionAddresses): ConnectionChain | null | 'look' {
    let first: Entry | null = null;
    for (const entry of this.entries) {
      if (!addressesHold(entry, from)) continue;
      if (first === null) {
        if (entry.chain.serverNames.length > 0) return 'look';
        if (entry.isTls === null && !this.detects) return entry.chain;
        if (entry.isTls !== null && !refusesOthers(entry)) return 'look';
        first = entry;
      } else if (entry.isTls !== first.isTls || (this.detects && isHttp(entry) !== isHttp(first))) return 'look';
    }
    return first === null ? null : first.chain;
  }

  /** The first chain whose conditions all hold; null: none, and the connection is closed. */
  choose(view: ConnectionView): ConnectionChain | null {
    const { begins } = view;
    const candidates = begins === 'tls' && view.serverName !== '' ? this.named(view.serverName) : this.unnamed;
    let second: ConnectionChain | null = null;
    for (const at of candidates) {
      const entry = this.entries[at];
      if (!kindHolds(entry, begins) || !addressesHold(entry, view)) continue;
      if (isPreferred(entry, begins)) return entry.chain;
      second ??= entry.chain;
    }
    return second;
  }

  /** Every chain with the reason why it was taken or was not, in their order. */
  explain(view: ConnectionView): readonly ChainReason[] {
    const chosen = this.choose(view);
    return this.entries.map((entry) => {
      const { chain } = entry;
      if (chain === chosen) return { chain, matched: true, because: becauseOf(chain) };
      return { chain, matched: false, because: whyNot(entry, view) ?? beaten(chosen, entry, view.begins) };
    });
  }

  private named(serverName: string): readonly number[] {
    if (this.exact.size + this.suffixes.size + this.prefixes.length === 0) return this.unnamed;
    const found = [...this.unnamed, ...(this.exact.get(serverName) ?? [])];
    if (this.suffixes.size > 0) {
      for (let dot = serverName.indexOf('.', 1); dot >= 0; dot = serverName.indexOf('.', dot + 1)) {
        const list = this.suffixes.get(serverName.slice(dot));
        if (list !== undefined) found.push(...list);
      }
    }
    for (const { text, at } of this.prefixes) if (serverName.length > text.length && serverName.startsWith(text)) found.push(at);
    return found.sort((a, b) => a - b);
  }
}

/** Whether requests of a connection may reach this virtual host; else they are misdirected: the demands on its clients may be stronger. */
export function reaches(chain: ConnectionChain | null, virtualHost: string): boolean {
  const names = chain?.virtualHosts;
  return names === undefined || names.includes(virtualHost);
}

/**
 * Which hosts requests on a connection of TLS may name, beside what `reaches` says: those that its certificate holds for
 * (RFC 9110 §7.4), also the server name that the client asked for, or any. Gateway API parts hosts by listener, and Kong,
 * as it is called with `https://localhost:8443` and another Host, not at all.
 */
export function hostsOnTls(dialect: DialectName): 'certificate' | 'server-name' | 'any' {
  if (dialect === 'kong' || dialect === 'gateway-api') return 'any';
  return dialect === 'weir' ? 'certificate' : 'server-name';
}

/** TLS that ends here, or names, can hold for TLS alone; HTTP without TLS for nothing that is. */
function wantsTls({ isTls, serverNames, tls, forward }: ConnectionChain): boolean | null {
  if (isTls !== undefined) return isTls;
  if (tls !== null || serverNames.length > 0) return true;
  return forward === null ? false : null;
}

/** Its protocol itself turns away what is not TLS, or is: a failed handshake, a 400. */
function refusesOthers({ chain, isTls }: Entry): boolean {
  return isTls === true ? chain.tls !== null : chain.forward === null;
}

function isHttp({ chain }: Entry): boolean {
  return chain.forward === null;
}

/** Positions grow, so a repeated name of one chain is the last one. */
function push(list: number[], at: number): void {
  if (list[list.length - 1] !== at) list.push(at);
}

function kindHolds(entry: Entry, begins: Beginning): boolean {
  return entry.isTls === null || entry.isTls === (begins === 'tls');
}

function addressesHold(entry: Entry, from: ConnectionAddresses): boolean {
  return entry.sources.holds(from.remoteAddress, from.remotePort) && entry.destinations.holds(from.localAddress, from.localPort);
}

/** Detection only prefers: where there is no chain of the kind, the connection goes where it would go without. */
function isPreferred(entry: Entry, begins: Beginning): boolean {
  return begins === 'http' ? isHttp(entry) : begins === 'other' ? !isHttp(entry) : true;
}

function becauseOf({ serverNames, sources, destinations }: ConnectionChain): string {
  const parts = [
    ...(serverNames.length === 0 ? [] : [`SNI ${listed(serverNames)}`]),
    ...(sources.length === 0 ? [] : [`source ${listed(sources)}`]),
    ...(destinations.length === 0 ? [] : [`destination ${listed(destinations)}`]),
  ];
  return parts.length === 0 ? 'it has no condition' : `first whose conditions hold: ${parts.join(', ')}`;
}

/** The condition that fails; null: they all hold. */
function whyNot(entry: Entry, view: ConnectionView): string | null {
  const { chain, sources, destinations } = entry;
  if (!kindHolds(entry, view.begins)) return entry.isTls === true ? 'only for TLS' : 'only for connections without TLS';
  if (chain.serverNames.length > 0 && !chain.serverNames.some((name) => nameHolds(name, view.serverName)))
    return view.serverName === ''
      ? `the client names no server (SNI); this is for ${listed(chain.serverNames)}`
      : `SNI: '${view.serverName}' is not ${listed(chain.serverNames)}`;
  if (!sources.holds(view.remoteAddress, view.remotePort))
    return `source: ${view.remoteAddress} port ${view.remotePort} is not in ${listed(chain.sources)}`;
  if (!destinations.holds(view.localAddress, view.localPort))
    return `destination: ${view.localAddress} port ${view.localPort} is not in ${listed(chain.destinations)}`;
  return null;
}

function nameHolds(pattern: string, serverName: string): boolean {
  return hostMatches(parseHostPattern(pattern), serverName);
}

function beaten(chosen: ConnectionChain | null, entry: Entry, begins: Beginning): string {
  const name = chosen === null ? 'none' : `'${chosen.name}'`;
  if (!isPreferred(entry, begins))
    return begins === 'http'
      ? `the connection begins as HTTP, which ${name} speaks`
      : `the connection does not begin as HTTP; ${name} takes it`;
  return `its conditions hold too, but ${name} stands before it`;
}

function listed(items: readonly string[]): string {
  return items.length <= 8 ? items.join(', ') : `${items.slice(0, 8).join(', ')} … (${items.length})`;
}
