import type { RequestHead } from '../protocol/http1/head.ts';
import type { Staging } from '../upstream/buffers.ts';

const empty = Buffer.alloc(0);

/**
 * X-Forwarded-For, X-Forwarded-Proto and X-Request-Id as the upstream gets them. Their bytes up to the request id are the
 * same for every request of most connections: made once, while peer and scheme stay what they were.
 */
export class Forwarding {
  /** The client's X-Forwarded-For, all its lines. */
  private before: string | null = null;
  private peer = '';
  private proto = '';
  private bytes: Buffer = empty;

  /** Takes the client's lines out of the head. Its scheme is believed when it comes from a trusted hop. */
  take(head: RequestHead, isTrusted: boolean, peer: string, scheme: string): void {
    const before = head.get('x-forwarded-for');
    if (before !== null) head.drop('x-forwarded-for');
    this.before = before;
    const proto = (isTrusted ? head.get('x-forwarded-proto') : null) ?? scheme;
    head.drop('x-forwarded-proto');
    head.drop('x-request-id');
    if (peer === this.peer && proto === this.proto) return;
    this.peer = peer;
    this.proto = proto;
    this.bytes = Buffer.from(`${peer}\r\nx-forwarded-proto: ${proto}\r\nx-request-id: `, 'latin1');
  }

  /** The same as pairs of name and value, for HTTP/2. */
  pairs(out: string[], requestId: string): void {
    const { before, peer } = this;
    out.push('x-forwarded-for', before === null ? peer : `${before}, ${peer}`, 'x-forwarded-proto', this.proto, 'x-request-id', requestId);
  }

  write(staging: Staging, requestId: string): void {
    const { before, bytes } = this;
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
