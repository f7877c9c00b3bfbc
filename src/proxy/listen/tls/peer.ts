import type { TLSSocket } from 'node:tls';
import type { PeerCertificate, PeerTls } from '../client.ts';
import { sessionIdOf } from './session-id.ts';

/** What is known of the certificates that were shown to a client that asked for `serverName`. */
export interface Shown {
  ownUri(serverName: string): string;
  /** Whether requests for `host` belong on such a connection. */
  isFor(serverName: string, host: string): boolean;
}

/** TLS of one connection, after its handshake. */
export class Tls implements PeerTls {
  readonly version: string;
  readonly cipher: string;
  readonly serverName: string;
  readonly alpn: string;
  readonly certificate: PeerCertificate | null;
  private readonly socket: TLSSocket;
  readonly ownUri: string;
  private readonly holds: (host: string) => boolean;
  private session: string | null = null;
  private lastHost: string | null = null;
  private lastHolds = false;

  constructor(socket: TLSSocket, certificate: PeerCertificate | null, shown: Shown) {
    this.socket = socket;
    this.version = socket.getProtocol() ?? '';
    this.cipher = socket.getCipher().name;
    this.serverName = typeof socket.servername === 'string' ? socket.servername.toLowerCase().replace(/\.$/, '') : '';
    this.alpn = typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '';
    this.certificate = certificate;
    this.ownUri = certificate === null ? '' : shown.ownUri(this.serverName);
    this.holds = (host) => shown.isFor(this.serverName, host);
  }

  get sessionId(): string {
    this.session ??= this.socket.destroyed ? '' : sessionIdOf(this.socket.getSession());
    return this.session;
  }

  servesName(host: string): boolean {
    // Requests of one connection nearly always name one host.
    if (host !== this.lastHost) {
      this.lastHolds = this.holds(host);
      this.lastHost = host;
    }
    return this.lastHolds;
  }
}
