import type { ConnectionChain } from '../../../model/chain.ts';
import type { PeerTls } from '../../listen/client.ts';

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
