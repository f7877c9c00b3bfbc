import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type AltNames, altNames } from '../../../base/alt-names.ts';
import { joinAddress } from '../../../base/ip.ts';
import type { RecordUpstreamTls } from '../../../telemetry/record.ts';
import { rfc2253 } from '../../listen/tls/client-certificate.ts';
import { sessionIdOf } from '../../listen/tls/session-id.ts';

/** What the log says of one connection to an upstream. */
export interface ConnectionFacts {
  /** `ip:port` of our end; '' for a Unix socket. */
  readonly localAddress: string;
  readonly tls: RecordUpstreamTls | null;
}

const known = new WeakMap<Socket, ConnectionFacts>();

/** Of a connected socket, looked up once: a closed one can tell nothing any more. Only where the log's format asks (`LogNeeds`). */
export function factsOf(socket: Socket): ConnectionFacts {
  let facts = known.get(socket);
  if (facts === undefined) {
    const { localAddress, localPort } = socket;
    facts = {
      localAddress: localAddress === undefined ? '' : joinAddress(localAddress, localPort ?? 0),
      tls: socket instanceof TLSSocket ? new TlsFacts(socket) : null,
    };
    known.set(socket, facts);
  }
  return facts;
}

const wrapping = Buffer.from('\0nodejs:tls:session:1\0', 'latin1');

/** Node puts the name a client's session is for in front of it: 16 bits of length, the name. */
function derOf(session: Buffer | undefined): Buffer | undefined {
  if (
    session === undefined ||
    session.length < wrapping.length + 2 ||
    session.compare(wrapping, 0, wrapping.length, 0, wrapping.length) !== 0
  )
    return session;
  return session.subarray(wrapping.length + 2 + session.readUInt16BE(wrapping.length));
}

class TlsFacts implements RecordUpstreamTls {
  readonly version: string;
  readonly cipher: string;
  readonly sessionId: string;
  private readonly certificate: X509Certificate | undefined;
  private readonly names: AltNames | null;

  constructor(socket: TLSSocket) {
    this.version = socket.getProtocol() ?? '';
    this.cipher = socket.getCipher().name;
    this.sessionId = sessionIdOf(derOf(socket.getSession()));
    this.certificate = socket.getPeerX509Certificate();
    this.names = this.certificate === undefined ? null : altNames(this.certificate);
  }

  get subject(): string {
    return rfc2253(this.certificate?.subject ?? '');
  }
  get issuer(): string {
    return rfc2253(this.certificate?.issuer ?? '');
  }
  get pem(): string {
    return this.certificate?.toString() ?? '';
  }
  get validFromMs(): number {
    return this.certificate?.validFromDate.getTime() ?? -1;
  }
  get validToMs(): number {
    return this.certificate?.validToDate.getTime() ?? -1;
  }
  get uriSans(): readonly string[] {
    return this.names?.uri ?? [];
  }
  get dnsSans(): readonly string[] {
    return this.names?.dns ?? [];
  }
  get ipSans(): readonly string[] {
    return this.names?.ip ?? [];
  }
}
