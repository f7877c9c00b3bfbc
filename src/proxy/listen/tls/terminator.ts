import type { Socket } from 'node:net';
import { createSecureContext, createServer, type SecureContext, type Server, type TLSSocket } from 'node:tls';
import { certificatesFor, certificatesHold, type ServerCertificate } from './certificates.ts';
import { judgeClient, type Verdict, type VerifyFailure } from './client-certificate.ts';
import { contextOptions, type TlsMaterial } from './context.ts';
import { type Shown, Tls } from './peer.ts';
import type { TicketKeys } from './tickets.ts';

/** Of one handshake; exactly one of them is called, once. */
export interface HandshakeUser {
  onSecure(socket: TLSSocket, tls: Tls): void;
  /** The socket is gone or about to be. */
  onHandshakeFailed(failure: VerifyFailure | 'protocol', reason: string): void;
  /** The certificate must hold for every host that is asked for. */
  readonly isStrict: boolean;
}

/** The handshake's end is the intake's to time; Node's own limit stands far behind it, ms. */
const nodeTimeoutMs = 600_000;
/** Sets of certificates with a context of their own, by the names that clients ask for. */
const maxContexts = 4096;

/**
 * Ends TLS for the chains that say so in the same words: one per set of certificates, authorities and options in a worker. A new
 * revision with others has another one, and connections that this one took go on.
 */
export class TlsTerminator implements Shown {
  readonly id: string;
  private readonly material: TlsMaterial;
  private readonly server: Server;
  private readonly keys: TicketKeys;
  private keysEpoch: number;
  private readonly contexts = new Map<string, SecureContext>();
  private readonly users = new WeakMap<object, HandshakeUser>();
  private readonly strictly: Shown = {
    ownUri: (serverName) => this.ownUri(serverName),
    isFor: (serverName, host) => certificatesHold(certificatesFor(this.material.certificates, serverName), host),
  };

  /** Throws when OpenSSL refuses the certificates or the ciphers. */
  constructor(material: TlsMaterial, keys: TicketKeys) {
    this.id = material.id;
    this.material = material;
    this.keys = keys;
    this.keysEpoch = keys.epoch;
    const { config, certificates } = material;
    // Node turns away no certificate by itself but for `require` with authorities: there the client gets its alert.
    const isStrict = config.clientCertificate === 'require' && config.ca !== null;
    this.server = createServer({
      ...contextOptions(material, certificatesFor(certificates, ''), keys.key(this.id)),
      requestCert: config.clientCertificate !== 'none',
      rejectUnauthorized: isStrict,
      handshakeTimeout: nodeTimeoutMs,
      ...(config.alpn.length === 0 ? {} : { ALPNProtocols: [...config.alpn] }),
      ...(certificates.length < 2 ? {} : { SNICallback: this.choose }),
    });
    const { users } = this;
    const failed = (at: object, error: Error, socket: TLSSocket): void => this.onFailed(users.get(at), error, socket);
    const secure = (at: object, socket: TLSSocket): void => this.onSecure(users.get(at), socket);
    this.server.on('secureConnection', function (this: object, socket: TLSSocket) {
      secure(this, socket);
    });
    this.server.on('tlsClientError', function (this: object, error: Error, socket: TLSSocket) {
      failed(this, error, socket);
    });
  }

  /** Bytes that were read to come this far have been unshifted. */
  accept(socket: Socket, user: HandshakeUser): void {
    this.renewKeys();
    // The server's events do not say which connection they are for. One object for each, with everything else the server's, does.
    const own: Server = Object.create(this.server);
    this.users.set(own, user);
    own.emit('connection', socket);
  }

  isFor(serverName: string, host: string): boolean {
    return serverName === '' || serverName === host || this.strictly.isFor(serverName, host);
  }

  ownUri(serverName: string): string {
    return certificatesFor(this.material.certificates, serverName)[0]?.uriSans[0] ?? '';
  }

  private renewKeys(): void {
    if (this.keysEpoch === this.keys.epoch) return;
    this.keysEpoch = this.keys.epoch;
    this.contexts.clear();
    this.server.setTicketKeys(this.keys.key(this.id));
  }

  private readonly choose = (serverName: string, done: (error: Error | null, context?: SecureContext) => void): void => {
    const shown = certificatesFor(this.material.certificates, serverName.toLowerCase().replace(/\.$/, ''));
    try {
      done(null, this.context(shown));
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  };

  private context(shown: readonly ServerCertificate[]): SecureContext {
    const key = shown.map((one) => this.material.certificates.indexOf(one)).join();
    const known = this.contexts.get(key);
    if (known !== undefined) return known;
    const made = createSecureContext(contextOptions(this.material, shown, this.keys.key(this.id)));
    if (this.contexts.size >= maxContexts) this.contexts.clear();
    this.contexts.set(key, made);
    return made;
  }

  private onSecure(user: HandshakeUser | undefined, socket: TLSSocket): void {
    if (user === undefined) return void socket.destroy();
    const verdict = this.judge(socket);
    if (!verdict.ok) {
      socket.destroy();
      return user.onHandshakeFailed(verdict.failure, verdict.reason);
    }
    user.onSecure(socket, new Tls(socket, verdict.certificate, user.isStrict ? this.strictly : this));
  }

  private judge(socket: TLSSocket): Verdict {
    const { config } = this.material;
    if (config.clientCertificate === 'none') return { ok: true, certificate: null };
    const error = socket.authorized ? '' : String(socket.authorizationError ?? 'not verified');
    return judgeClient(config, socket.getPeerX509Certificate(), error);
  }

  private onFailed(user: HandshakeUser | undefined, error: Error, socket: TLSSocket): void {
    const { clientCertificate } = this.material.config;
    const { authorizationError } = socket;
    socket.destroy();
    if (user === undefined) return;
    const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
    if (
      clientCertificate === 'require' &&
      (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE' ||
        (code === 'ECONNRESET' && String(authorizationError) === 'UNABLE_TO_GET_ISSUER_CERT'))
    )
      return user.onHandshakeFailed('no_cert', 'the client showed no certificate');
    if (authorizationError !== null && authorizationError !== undefined)
      return user.onHandshakeFailed('error', `client certificate: ${String(authorizationError)}`);
    user.onHandshakeFailed('protocol', code === 'ECONNRESET' ? 'the client closed the connection during the handshake' : reasonOf(error));
  }
}

/** OpenSSL's words without its file and line. */
function reasonOf(error: Error): string {
  if ('reason' in error && typeof error.reason === 'string') return error.reason;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
