/** Connections of Kong's TLS ports: which certificate is shown for which server name. */
import type { ConnectionChain, L4Forward } from '../../model/chain.ts';
import type { Origin } from '../../model/origin.ts';
import { defaultServerTls, type ServerTls } from '../../model/tls.ts';
import type { CertificateBook } from './certificates.ts';

/** What the chains of one port or one route have in common. */
export interface ChainBase {
  readonly name: string;
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  /** Null: HTTP. */
  readonly forward: L4Forward | null;
  readonly origin: Origin;
}

/** TLS that ends here, for `serverNames`, or for every name that has a certificate. Names without one have no chain, or a closed one. */
export function terminatingChains(book: CertificateBook, base: ChainBase, serverNames: readonly string[]): readonly ConnectionChain[] {
  const groups = serverNames.length === 0 ? book.shown : grouped(book, serverNames);
  return groups.map(({ names, certificates }, index) => ({
    ...base,
    name: groups.length === 1 ? base.name : `${base.name}/${index}`,
    serverNames: names,
    ...(certificates.length === 0
      ? { isTls: true, tls: null, forward: closed(base) }
      : { tls: serverTls(certificates, base.forward === null) }),
  }));
}

function grouped(book: CertificateBook, serverNames: readonly string[]): CertificateBook['shown'] {
  const groups = new Map<string, { names: string[]; certificates: readonly string[] }>();
  for (const name of serverNames) {
    const certificates = book.certificatesFor(name);
    const group = groups.get(certificates.join());
    if (group === undefined) groups.set(certificates.join(), { names: [name], certificates });
    else group.names.push(name);
  }
  return [...groups.values()];
}

function serverTls(certificates: readonly string[], http: boolean): ServerTls {
  return { ...defaultServerTls, certificates, alpn: http ? ['h2', 'http/1.1'] : [] };
}

/** A certificate that is broken: the connection ends before it begins, as no other may be shown. */
function closed({ name, origin }: ChainBase): L4Forward {
  return {
    route: name,
    destinations: [],
    idleTimeoutMs: 0,
    maxConnections: 0,
    origin,
    pending: [],
    blocked: 'there is no certificate for this server name',
  };
}
