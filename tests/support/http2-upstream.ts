/** HTTP/2 servers for tests: node:http2's, and one that sends whatever frames a test wants. */
import { once } from 'node:events';
import {
  createSecureServer,
  createServer as createHttp2Server,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { block, flag, type Frame, frame, FramePeer, frameType, preface } from './h2-frames.ts';
import { portOf } from './raw.ts';

export type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, session: number) => void;

/** A server of node:http2 that keeps count of its connections. */
export class Http2Upstream {
  readonly server: Http2Server | Http2SecureServer;
  /** Every connection there was, in order. */
  readonly sessions: ServerHttp2Session[] = [];
  port = 0;
  private readonly waiting: (() => void)[] = [];

  private constructor(server: Http2Server | Http2SecureServer, onStream: OnStream) {
    this.server = server;
    server.on('session', (session: ServerHttp2Session) => {
      this.sessions.push(session);
      session.on('error', () => undefined);
      session.on('close', () => this.wake());
      this.wake();
    });
    server.on('sessionError', () => undefined);
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.on('error', () => undefined);
      const { session } = stream;
      const index = this.sessions.findIndex((known) => known === session);
      onStream(stream, headers, index);
    });
  }

  static async start(
    t: TestContext,
    onStream: OnStream,
    options: ServerOptions & { readonly tls?: SecureServerOptions } = {},
  ): Promise<Http2Upstream> {
    const { tls, ...plain } = options;
    const server = tls === undefined ? createHttp2Server(plain) : createSecureServer({ ...plain, ...tls });
    const upstream = new Http2Upstream(server, onStream);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    upstream.port = portOf(server);
    t.after(() => upstream.close());
    return upstream;
  }

  private wake(): void {
    for (const run of this.waiting.splice(0)) run();
  }

  /** Connections that are open. */
  get open(): number {
    return this.sessions.filter((session) => !session.destroyed).length;
  }

  /** Resolves once that many connections are open. */
  async untilOpen(count: number): Promise<void> {
    while (this.open !== count) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  close(): void {
    for (const session of this.sessions) session.destroy();
    this.server.close();
  }
}

/** Answers with what the request was, as JSON: `{headers, body, trailers, session}`. */
export const echo: OnStream = (stream, headers, session) => {
  let bytes = 0;
  let trailers: object | null = null;
  stream.on('trailers', (fields) => (trailers = fields));
  stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
  stream.on('end', () => {
    if (stream.closed) return;
    stream.respond({ ':status': 200, 'content-type': 'application/json' });
    stream.end(JSON.stringify({ headers, bytes, trailers, session }));
  });
};

/** The server of a connection. */
export class FrameConnection extends FramePeer {
  private readonly onRequest: (connection: FrameConnection, stream: number) => void;

  constructor(socket: Socket, onRequest: (connection: FrameConnection, stream: number) => void) {
    super(socket, preface.length);
    this.onRequest = onRequest;
  }

  protected override onFrame({ type, stream }: Frame): void {
    if (type === frameType.headers) this.onRequest(this, stream);
  }

  /** A response's head; `end`: with END_STREAM. */
  head(stream: number, fields: readonly (readonly [string, string])[], end: boolean): Buffer {
    return frame(frameType.headers, flag.endHeaders | (end ? flag.endStream : 0), stream, block(fields));
  }

  data(stream: number, text: string, end: boolean): Buffer {
    return frame(frameType.data, end ? flag.endStream : 0, stream, Buffer.from(text, 'latin1'));
  }
}

/** A server of frames. `settings`: sent at once; null: none, ever. */
export class FrameUpstream {
  readonly connections: FrameConnection[] = [];
  port = 0;
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
  }

  static async start(
    t: TestContext,
    onRequest: (connection: FrameConnection, stream: number) => void,
    settings: Buffer | null = frame(frameType.settings, 0, 0),
  ): Promise<FrameUpstream> {
    const server = createServer((socket) => {
      const connection = new FrameConnection(socket, onRequest);
      upstream.connections.push(connection);
      if (settings !== null) connection.send(settings, frame(frameType.settings, flag.ack, 0));
    });
    const upstream = new FrameUpstream(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    upstream.port = portOf(server);
    t.after(() => upstream.close());
    return upstream;
  }

  close(): void {
    for (const { socket } of this.connections) socket.destroy();
    this.server.close();
  }
}
