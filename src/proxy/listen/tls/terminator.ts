import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { hostsOnTls } from '../../../decide/chain.ts';
import { certificatesFor, certificatesHold, type ServerCertificate } from './certificates.ts';
import { judgeClient, type Verdict, type VerifyFailure } from './client-certificate.ts';
import { contextOptions, type TlsMaterial } from './context.ts';
import { type Shown, Tls } from './peer.ts';
import type { TicketKeys } from './tickets.ts';

/** Of one handshake; one of the two functions is called, once. */
export interface HandshakeUser {
  onSecure(socket: TLSSocket, tls: Tls): void;
  /** The socket is gone or about to be. `handshake-closed`: the client left before the end. */
  onHandshakeFailed(failure: VerifyFailure | 'handshake' | 'handshake-closed', reason: string): void;
  /** Which hosts requests may name on the connection. */
  readonly hosts: ReturnType<typeof hostsOnTls>;
}

/** The handshake's end is the intake's to time; Node's own limit stands far behind it, ms. */
const nodeTimeoutMs = 600_000;
/** Sets of certificates with a server of their own, made as clients ask for their names. */
const maxServers = 4096;
/** Names whose certificates are remembered; clients can make them up. */
const maxNames = 1024;

/**
 * Ends TLS for the chains that say so in the same words: one per set of certificates, authorities and options in a worker. A new
 * revision with others has another one, and connections that this one took go on.
 */
export class TlsTerminator implements Shown {
  readonly id: string;
  private readonly material: TlsMaterial;
  private readonly keys: TicketKeys;
  private keysEpoch: number;
  /**
   * By the certificates that they show. Each has its own context: one that Node's SNICallback gives loses all but one of its
   * certificates, and RSA beside ECDSA needs two.
   */
  private readonly servers = new Map<string, Server>();
  /** Look-ups go through all certificates; clients ask for few names. */
  private readonly names = new Map<string, readonly ServerCertificate[]>();
  private readonly users = new WeakMap<object, HandshakeUser>();
  private readonly loosely: Shown = { ownUri: (serverName) => this.ownUri(serverName), isFor: () => true };
  private readonly strictly: Shown = {
    ownUri: (serverName) => this.ownUri(serverName),
    isFor: (serverName, host) => certificatesHold(this.shown(serverName), host),
  };

  /** Throws when OpenSSL refuses the certificates or the ciphers. */
  constructor(material: TlsMaterial, keys: TicketKeys) {
    this.id = material.id;
    this.material = material;
    this.keys = keys;
    this.keysEpoch = keys.epoch;
    this.server('');
  }

  /** Which certificate is shown depends on the client's SNI: it must be known before `accept`. */
  get needsName(): boolean {
    return this.material.certificates.length > 1;
  }

  /** Bytes that were read to come this far have been unshifted. `serverName` as in the ClientHello. Throws like the constructor. */
  accept(socket: Socket, serverName: string, user: HandshakeUser): void {
    this.renewKeys();
    // The server's events do not say which connection they are for. One object for each, with everything else the server's, does.
    const own: Server = Object.create(this.server(serverName));
    this.users.set(own, user);
    // A client that closes its side in the middle of the handshake will not finish it; the TLS socket takes over how this one is set.
    socket.allowHalfOpen = false;
    own.emit('connection', socket);
  }

  isFor(serverName: string, host: string): boolean {
    return serverName === '' || serverName === host || this.strictly.isFor(serverName, host);
  }

  ownUri(serverName: string): string {
    return this.shown(serverName)[0]?.uriSans[0] ?? '';
  }

  private shown(serverName: string): readonly ServerCertificate[] {
    const known = this.names.get(serverName);
    if (known !== undefined) return known;
    const found = certificatesFor(this.material.certificates, serverName);
    if (this.names.size >= maxNames) this.names.clear();
    this.names.set(serverName, found);
    return found;
  }

  private renewKeys(): void {
    if (this.keysEpoch === this.keys.epoch) return;
    this.keysEpoch = this.keys.epoch;
    const key = this.keys.key(this.id);
    for (const server of this.servers.values()) server.setTicketKeys(key);
  }

  private server(serverName: string): Server {
    const shown = this.shown(serverName);
    const key = shown.map((one) => this.material.certificates.indexOf(one)).join();
    const known = this.servers.get(key);
    if (known !== undefined) return known;
    if (this.servers.size >= maxServers) this.servers.clear();
    const made = this.makeServer(shown);
    this.servers.set(key, made);
    return made;
  }

  private makeServer(shown: readonly ServerCertificate[]): Server {
    const { config } = this.material;
    const server = createServer({
      ...contextOptions(this.material, shown, this.keys.key(this.id)),
      requestCert: config.clientCertificate !== 'none',
      // Node turns away no certificate by itself but for `require` with authorities: there the client gets its alert.
      rejectUnauthorized: config.clientCertificate === 'require' && config.ca !== null,
      handshakeTimeout: nodeTimeoutMs,
      ...(config.alpn.length === 0 ? {} : { ALPNProtocols: [...config.alpn] }),
    });
    const { users } = this;
    const take = (at: object): HandshakeUser | undefined => {
      const user = users.get(at);
      // The object lives as long as the connection, its user only to the end of the handshake.
      users.delete(at);
      return user;
    };
    const failed = (at: object, error: Error, socket: TLSSocket): void => this.onFailed(take(at), error, socket);
    const secure = (at: object, socket: TLSSocket): void => this.onSecure(take(at), socket);
    server.on('secureConnection', function (this: object, socket: TLSSocket) {
      secure(this, socket);
    });
    server.on('tlsClientError', function (this: object, error: Error, socket: TLSSocket) {
      failed(this, error, socket);
    });
    return server;
  }

  private onSecure(user: HandshakeUser | undefined, socket: TLSSocket): void {
    if (user === undefined) return void socket.destroy();
    const verdict = this.judge(socket);
    if (!verdict.ok) {
      socket.destroy();
      return user.onHandshakeFailed(verdict.failure, verdict.reason);
    }
    socket.allowHalfOpen = true;
    const shown = user.hosts === 'any' ? this.loosely : user.hosts === 'certificate' ? this.strictly : this;
    user.onSecure(socket, new Tls(socket, verdict.certificate, shown));
  }

  private judge(socket: TLSSocket): Verdict {
    const { config } = this.material;
    if (config.clientCertificate === 'none') return { ok: true, certificate: null };
    const error = socket.authorized ? '' : String(socket.authorizationError ?? 'not verified');
    return judgeClient(config, socket.getPeerX509Certificate(), error);
  }

  private onFailed(user: HandshakeUser | undefined, error: Error, socket: TLSSocket): void {
    const { authorizationError } = socket;
    const isOver = socket.readableEnded;
    socket.destroy();
    if (user === undefined) return;
    const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
    if (authorizationError !== null && authorizationError !== undefined) {
      const reason = String(authorizationError);
      return user.onHandshakeFailed('error', `client certificate: ${reason}`);
    }
    const { clientCertificate } = this.material.config;
    // Of some versions of TLS Node keeps to itself that a certificate is missing, and closes the socket.
    const isMissing =
      code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE' || (code === 'ECONNRESET' && clientCertificate === 'require' && !isOver);
    if (isMissing) return user.onHandshakeFailed('no_cert', 'the client showed no certificate');
    if (code !== 'ECONNRESET') return user.onHandshakeFailed('handshake', reasonOf(error));
    user.onHandshakeFailed('handshake-closed', 'the client closed the connection during the handshake');
  }
}

/** OpenSSL's words without its file and line. */
function reasonOf(error: Error): string {
  if ('reason' in error && typeof error.reason === 'string') return error.reason;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
