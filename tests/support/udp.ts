/** UDP peers. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** A socket on 127.0.0.1 that keeps what it gets. */
export class UdpPeer {
  readonly socket: Socket;
  readonly received: { readonly text: string; readonly bytes: number; readonly from: RemoteInfo }[] = [];
  port = 0;
  private closed = false;
  private readonly waiting: (() => void)[] = [];

  private constructor() {
    this.socket = createSocket({ type: 'udp4', recvBufferSize: 8 * 1024 * 1024 });
    this.socket.on('error', () => undefined);
    this.socket.on('message', (datagram, from) => {
      this.received.push({ text: datagram.toString('latin1', 0, Math.min(datagram.length, 256)), bytes: datagram.length, from });
      for (const run of this.waiting.splice(0)) run();
    });
  }

  static async bind(port = 0): Promise<UdpPeer> {
    const peer = new UdpPeer();
    peer.socket.bind(port, '127.0.0.1');
    await once(peer.socket, 'listening');
    peer.port = peer.socket.address().port;
    return peer;
  }

  /** A server that sends everything back with its name before it. */
  static async echo(name: string, port = 0): Promise<UdpPeer> {
    const peer = await UdpPeer.bind(port);
    peer.socket.on('message', (datagram, from) => peer.socket.send(Buffer.concat([Buffer.from(name), datagram]), from.port, from.address));
    return peer;
  }

  send(datagram: string | Buffer, port: number): void {
    this.socket.send(datagram, port, '127.0.0.1');
  }

  /** What came, once there are `count`. */
  async got(count: number): Promise<readonly string[]> {
    while (this.received.length < count) await new Promise<void>((resolve) => this.waiting.push(resolve));
    return this.received.map(({ text }) => text);
  }

  /** Sends, and resolves with the next answer. */
  async ask(datagram: string | Buffer, port: number): Promise<string> {
    const before = this.received.length;
    this.send(datagram, port);
    return (await this.got(before + 1))[before];
  }

  close(): void {
    if (!this.closed) this.socket.close();
    this.closed = true;
  }
}
