import type { RequestHead } from '../protocol/http1/head.ts';
import type { Staging } from '../upstream/buffers.ts';
import type { PeerTls } from './client.ts';
import { clientCertHeader } from './client-cert-header.ts';

const empty = Buffer.alloc(0);

/**
 * X-Forwarded-For, X-Forwarded-Client-Cert, X-Forwarded-Proto and X-Request-Id as the upstream gets them. Their bytes up to the request id are the
 * same for every request of most connections: made once, while peer and scheme stay what they were.
 */
export class Forwarding {
  /** The client's X-Forwarded-For, all its lines. */
  private before: string | null = null;
  private peer = '';
  private proto = '';
  private tls: PeerTls | null = null;
  private clientCert: string | null = null;
  private bytes: Buffer = empty;

  /**
   * Takes the client's lines out of the head. Its scheme is believed when it comes from a trusted hop; what it says of client
   * certificates never is: the head has dropped it.
   */
  take(head: RequestHead, isTrusted: boolean, peer: string, scheme: string, tls: PeerTls | null, withCertificate: boolean): void {
    const before = head.get('x-forwarded-for');
    if (before !== null) head.drop('x-forwarded-for');
    this.before = before;
    const proto = (isTrusted ? head.get('x-forwarded-proto') : null) ?? scheme;
    head.drop('x-forwarded-proto');
    head.drop('x-request-id');
    if (peer === this.peer && proto === this.proto && tls === this.tls) return;
    this.tls = tls;
    this.clientCert = clientCertHeader(tls, withCertificate);
    this.peer = peer;
    this.proto = proto;
    const line = this.clientCert === null ? '' : `x-forwarded-client-cert: ${this.clientCert}\r\n`;
    this.bytes = Buffer.from(`${peer}\r\n${line}x-forwarded-proto: ${proto}\r\nx-request-id: `, 'latin1');
  }

  /** The same as pairs of name and value, for HTTP/2. */
  pairs(out: string[], requestId: string): void {
    const { before, peer, clientCert } = this;
    if (peer !== '') out.push('x-forwarded-for', before === null ? peer : `${before}, ${peer}`);
    else if (before !== null) out.push('x-forwarded-for', before);
    out.push('x-forwarded-proto', this.proto, 'x-request-id', requestId);
    if (clientCert !== null) out.push('x-forwarded-client-cert', clientCert);
  }

  write(staging: Staging, requestId: string): void {
    const { before, bytes } = this;
    if (this.peer === '' && before === null) {
      staging.append(bytes, 2, bytes.length);
      staging.appendText(requestId);
      staging.appendText('\r\n');
      return;
    }
    staging.appendText('x-forwarded-for: ');
    if (before !== null) {
      staging.appendText(before);
      staging.appendText(', ');
    }
    staging.append(bytes, 0, bytes.length);
    staging.appendText(requestId);
    staging.appendText('\r\n');
  }
}
