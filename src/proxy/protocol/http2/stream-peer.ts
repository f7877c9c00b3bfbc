import { constants, type ServerHttp2Stream } from 'node:http2';
import type { ConnectionChain } from '../../../model/chain.ts';
import type { PeerTls } from '../../listen/client.ts';

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR } = constants;

/** What a stream needs of its connection. */
export interface StreamOwner<Stream> {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly directRemoteAddress: string;
  readonly connectionId: number;
  readonly tls: PeerTls | null;
  readonly chain: ConnectionChain | null;
  /** The whole connection is gone. */
  readonly isOver: boolean;
  /** It went by no word of HTTP/2: a reset, or the system's end of it. */
  readonly isBroken: boolean;
  /** A DATA frame's content was read. */
  onBody(bytes: number): void;
  /** A trailer section arrived: name, value, name, value …. */
  onTrailers(fields: readonly string[]): void;
  /** Body bytes may still come that nobody takes. */
  onBodyUnwanted(): void;
  /** Response bytes were handed over. */
  onSent(bytes: number): void;
  /** Nothing of the stream is left. */
  onStreamClosed(stream: Stream): void;
}

/** What an exchange asks of its client's connection, as a stream of it answers. */
export class StreamPeer<Stream> {
  protected owner: StreamOwner<Stream> | null = null;
  protected stream: ServerHttp2Stream | null = null;

  /** Bytes that arrived and wait here to be taken, frame heads included. */
  get waiting(): number {
    const { stream } = this;
    if (stream === null || stream.readableLength === 0) return 0;
    const chunks: unknown = Reflect.get(stream, 'readableBuffer');
    return stream.readableLength + (Array.isArray(chunks) ? chunks.length * 9 : 0);
  }

  /** The client's side of the stream is here to its end, read or not. */
  protected get isReceived(): boolean {
    return this.stream?.state.remoteClose === 1;
  }

  /** The stream ended for what the client sent: it did not just leave. */
  protected get isClientsFault(): boolean {
    const { owner } = this;
    const code = this.stream?.rstCode ?? NGHTTP2_NO_ERROR;
    if (code === NGHTTP2_PROTOCOL_ERROR) return true;
    return code !== NGHTTP2_NO_ERROR && code !== NGHTTP2_CANCEL && owner?.isOver === true && !owner.isBroken;
  }

  get remoteAddress(): string {
    return this.owner?.remoteAddress ?? '';
  }
  get remotePort(): number {
    return this.owner?.remotePort ?? 0;
  }
  get localAddress(): string {
    return this.owner?.localAddress ?? '';
  }
  get directRemoteAddress(): string {
    return this.owner?.directRemoteAddress ?? '';
  }
  get connectionId(): number {
    return this.owner?.connectionId ?? 0;
  }
  get tls(): PeerTls | null {
    return this.owner?.tls ?? null;
  }
  get chain(): ConnectionChain | null {
    return this.owner?.chain ?? null;
  }
}
