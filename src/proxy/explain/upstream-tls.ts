import type { Cluster } from '../../model/cluster.ts';
import { Secrets, type FindSecret } from '../upstream/tls/secrets.ts';
import { hostOf, plaintext, serverNameOf, transportOf } from '../upstream/transport.ts';
import type { ExplainedTls, ExplainedTransport } from './types.ts';

/** How a cluster is spoken to, for a request with this authority ('' for bytes). */
export function explainedTransport(config: Cluster, authority: string, what: 'http' | 'bytes'): ExplainedTransport {
  const tls = explainedTls(config, authority);
  const { protocol = 'http1', proxyProtocol } = config;
  return {
    ...(tls === null ? {} : { tls }),
    ...(what === 'bytes' || protocol === 'http1' ? {} : { protocol }),
    ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
  };
}

/** Null for plain text. */
function explainedTls({ transport, tls }: Cluster, authority: string): ExplainedTls | null {
  if (transport === 'plaintext' || tls === undefined) return null;
  const name = tls.sni ?? hostOf(authority);
  const serverName = serverNameOf(name);
  return {
    serverName: serverName === '' ? null : serverName,
    verified: tls.verify,
    names: tls.subjectAltNames.length > 0 ? tls.subjectAltNames : name === '' ? [] : [name],
    clientCertificate: tls.certificate !== null,
  };
}

/** Why no connection to the cluster can be made: a secret is missing or broken. Null: it can. */
export function transportFailure(config: Cluster, secret: FindSecret): string | null {
  const { failure } = transportOf(config, new Secrets(secret), plaintext);
  return failure === null ? null : `TLS towards it cannot be set up (${failure})`;
}
