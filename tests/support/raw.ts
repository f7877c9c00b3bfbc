/** Raw TCP peers: what a proxy really puts on the wire is seen by nobody else. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  const { port }: AddressInfo = address;
  return port;
}

/** One connection that a raw backend accepted. */
export class BackendConnection {
  received = '';
  readonly socket: Socket;
  ended = false;
  private readonly waiting: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.received += text;
      this.wake();
    });
    socket.on('end', () => {
      this.ended = true;
      this.wake();
    });
    socket.on('error', () => this.wake());
    socket.on('close', () => {
      this.ended = true;
      this.wake();
    });
  }

  private wake(): void {
    for (const run of this.waiting.splice(0)) run();
  }

  /** Resolves when what was received satisfies `enough`, or the connection ended. */
  async until(enough: (received: string) => boolean): Promise<string> {
    while (!enough(this.received) && !this.ended) await new Promise<void>((resolve) => this.waiting.push(resolve));
    return this.received;
  }
}

/** A server that records bytes and answers with bytes. */
export class RawBackend {
  readonly connections: BackendConnection[] = [];
  readonly server: Server;
  port = 0;
  private readonly arrivals: (() => void)[] = [];

  private constructor(onConnection: (connection: BackendConnection, index: number) => void) {
    this.server = createServer({ allowHalfOpen: true }, (socket) => {
      const connection = new BackendConnection(socket);
      this.connections.push(connection);
      onConnection(connection, this.connections.length - 1);
      for (const run of this.arrivals.splice(0)) run();
    });
  }

  static async start(onConnection: (connection: BackendConnection, index: number) => void): Promise<RawBackend> {
    const backend = new RawBackend(onConnection);
    backend.server.listen(0, '127.0.0.1');
    await once(backend.server, 'listening');
    backend.port = portOf(backend.server);
    return backend;
  }

  /** The connection with this index, once it is there. */
  async connection(index: number): Promise<BackendConnection> {
    for (;;) {
      const found = this.connections[index];
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.arrivals.push(resolve));
    }
  }

  close(): void {
    for (const { socket } of this.connections) socket.destroy();
    this.server.close();
  }
}

/** Answers every whole request without a body, and every one with Content-Length, with `reply(head)`. */
export function answering(reply: (request: string) => string): (connection: BackendConnection) => void {
  return (connection) => {
    let from = 0;
    connection.socket.on('data', () => {
      for (;;) {
        const end = connection.received.indexOf('\r\n\r\n', from);
        if (end < 0) return;
        const head = connection.received.slice(from, end + 4);
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
        if (connection.received.length < end + 4 + length) return;
        from = end + 4 + length;
        connection.socket.write(reply(connection.received.slice(from - length - head.length, from)), 'latin1');
      }
    });
  };
}

/** A raw client: bytes out, bytes in. */
export class RawClient {
  received = '';
  closed = false;
  /** The peer ended in good order (FIN). */
  ended = false;
  /** The peer reset the connection. */
  reset = false;
  readonly socket: Socket;
  private readonly waiting: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    const wake = (): void => {
      for (const run of this.waiting.splice(0)) run();
    };
    socket.on('data', (text: string) => {
      this.received += text;
      wake();
    });
    socket.on('end', () => {
      this.ended = true;
      wake();
    });
    socket.on('error', (error) => {
      if ('code' in error && error.code === 'ECONNRESET') this.reset = true;
    });
    socket.on('close', () => {
      this.closed = true;
      wake();
    });
  }

  static async connect(port: number, allowHalfOpen = true, localAddress = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen, noDelay: true, localAddress });
    const client = new RawClient(socket);
    await once(socket, 'connect');
    return client;
  }

  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Resolves when `enough` holds or nothing more can come. */
  async until(enough: (received: string) => boolean): Promise<string> {
    while (!enough(this.received) && !this.closed && !this.ended) await new Promise<void>((resolve) => this.waiting.push(resolve));
    return this.received;
  }

  /** Resolves when the peer has closed, with everything received. */
  async toEnd(): Promise<string> {
    return this.until(() => false);
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Sends bytes on a connection of its own and returns all that comes until the peer closes. */
export async function exchange(port: number, bytes: string): Promise<string> {
  const client = await RawClient.connect(port);
  client.send(bytes);
  const received = await client.toEnd();
  client.close();
  return received;
}
