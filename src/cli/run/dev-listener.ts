import type { Listener } from '../../model/listener.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { defaultServerTls, type Secret } from '../../model/tls.ts';
import type { DevCertificate } from './dev-certificate.ts';

/** Port of the configuration for it, as --map-port takes it. */
export const devPort = 8443;
const secretName = 'weir/development-certificate';

/**
 * Adds an HTTPS listener with the development certificate, which serves what the first plain HTTP listener does. Unchanged where
 * there is none, or the port is taken.
 */
export function withDevListener(snapshot: Snapshot, { certificate, privateKey }: DevCertificate): Snapshot {
  const plain = snapshot.listeners.find(isPlainHttp);
  if (plain === undefined || snapshot.listeners.some(({ kind, port }) => kind === 'gateway' && port === devPort)) return snapshot;
  const { origin } = plain;
  const secret: Secret = { name: secretName, certificate, privateKey, ca: null, origin };
  const tls = { ...defaultServerTls, certificates: [secretName], alpn: ['h2', 'http/1.1'] };
  const listener: Listener = {
    ...plain,
    name: `${plain.address.includes(':') ? `[${plain.address}]` : plain.address}:${devPort}`,
    port: devPort,
    chains: [{ name: 'development-certificate', serverNames: [], isTls: true, sources: [], destinations: [], tls, forward: null, origin }],
  };
  return { ...snapshot, listeners: [...snapshot.listeners, listener], secrets: [...(snapshot.secrets ?? []), secret] };
}

function isPlainHttp({ kind, protocol, address, chains = [] }: Listener): boolean {
  return (
    kind === 'gateway' &&
    protocol === 'http' &&
    !/^[/@]/.test(address) &&
    chains.every(({ tls, forward }) => tls === null && forward === null)
  );
}
