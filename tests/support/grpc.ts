/** A gRPC service of four shapes, by @grpc/grpc-js, with messages that are plain text. */
import type { TestContext } from 'node:test';
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  status,
  type CallOptions,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  type ServiceError,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';

const write = (text: string): Buffer => Buffer.from(text, 'utf8');
const read = (bytes: Buffer): string => bytes.toString('utf8');

function method(name: string, requestStream: boolean, responseStream: boolean): MethodDefinition<string, string> {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: write,
    requestDeserialize: read,
    responseSerialize: write,
    responseDeserialize: read,
  };
}

export const methods = {
  unary: method('Unary', false, false),
  collect: method('Collect', true, false),
  count: method('Count', false, true),
  chat: method('Chat', true, true),
} as const;

/** What the service was asked with last. */
export interface Seen {
  metadata: Metadata | null;
  /** Ms to the deadline, as the server was told; Infinity for none. */
  deadlineMs: number;
  cancelled: number;
}

/**
 * Unary: the text back; `fail <code> <message>` ends with that status, `wait` with nothing until it is cancelled. Collect: all texts joined by
 * commas. Count: the numbers up to the one that was sent. Chat: each text in capitals, until `bye`.
 */
export async function grpcService(
  t: TestContext,
  made: ServerCredentials = ServerCredentials.createInsecure(),
): Promise<{ port: number; seen: Seen }> {
  const seen: Seen = { metadata: null, deadlineMs: Infinity, cancelled: 0 };
  const unary: handleUnaryCall<string, string> = (call, done) => {
    seen.metadata = call.metadata;
    const deadline = call.getDeadline();
    seen.deadlineMs = (typeof deadline === 'number' ? deadline : deadline.getTime()) - Date.now();
    const [word, code, ...rest] = call.request.split(' ');
    const trailers = new Metadata();
    trailers.set('x-trailer', 'at the end');
    if (word === 'wait') call.on('cancelled', () => seen.cancelled++);
    else if (word === 'fail') done(Object.assign(new Error(word), { code: Number(code), details: rest.join(' '), metadata: trailers }));
    else {
      const head = new Metadata();
      head.set('x-head', 'first');
      call.sendMetadata(head);
      done(null, call.request, trailers);
    }
  };
  const collect: handleClientStreamingCall<string, string> = (call, done) => {
    const texts: string[] = [];
    call.on('data', (text: string) => texts.push(text));
    call.on('end', () => done(null, texts.join(',')));
  };
  const count: handleServerStreamingCall<string, string> = (call) => {
    call.on('cancelled', () => seen.cancelled++);
    const last = Number(call.request);
    let next = 1;
    const more = (): void => {
      while (next <= last && !call.cancelled) if (!call.write(String(next++))) return void call.once('drain', more);
      if (next > last) call.end();
    };
    more();
  };
  const chat: handleBidiStreamingCall<string, string> = (call) => {
    call.on('data', (text: string) => (text === 'bye' ? call.end() : call.write(text.toUpperCase())));
    call.on('end', () => call.end());
  };
  const server = new Server();
  const handlers: UntypedServiceImplementation = { unary, collect, count, chat };
  server.addService(methods, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', made, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
  t.after(() => server.forceShutdown());
  return { port, seen };
}

export interface Outcome {
  readonly code: number;
  readonly details: string;
  readonly texts: readonly string[];
  readonly head: Metadata | null;
  readonly trailers: Metadata | null;
}

/** A client of the service behind a port. */
export class EchoClient {
  readonly client: Client;

  constructor(t: TestContext, address: string, ca: string | null = null, options: object = {}) {
    const made = ca === null ? credentials.createInsecure() : credentials.createSsl(Buffer.from(ca));
    this.client = new Client(address, made, { 'grpc.enable_retries': 0, ...options });
    t.after(() => this.client.close());
  }

  unary(text: string, options: CallOptions = {}, metadata: Metadata = new Metadata()): Promise<Outcome> {
    const { path, requestSerialize, responseDeserialize } = methods.unary;
    return new Promise((resolve) => {
      let head: Metadata | null = null;
      const call = this.client.makeUnaryRequest(path, requestSerialize, responseDeserialize, text, metadata, options, (error, value) => {
        last = { error, texts: value === undefined ? [] : [value] };
      });
      let last: { error: ServiceError | null; texts: string[] } = { error: null, texts: [] };
      call.on('metadata', (fields) => (head = fields));
      call.on('status', (end) => {
        // The callback comes in the same turn, before or after.
        setImmediate(() => resolve({ code: end.code, details: end.details, texts: last.texts, head, trailers: end.metadata }));
      });
    });
  }

  collect(texts: readonly string[]): Promise<Outcome> {
    const { path, requestSerialize, responseDeserialize } = methods.collect;
    return new Promise((resolve) => {
      const call = this.client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error, value) => {
        const code = error === null ? status.OK : error.code;
        resolve({ code, details: error?.details ?? '', texts: value === undefined ? [] : [value], head: null, trailers: null });
      });
      for (const text of texts) call.write(text);
      call.end();
    });
  }

  /** `onText`: called for each; false cancels the call. */
  count(last: number, onText: (text: string) => boolean = () => true): Promise<Outcome> {
    const { path, requestSerialize, responseDeserialize } = methods.count;
    return new Promise((resolve) => {
      const texts: string[] = [];
      const call = this.client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, String(last));
      call.on('data', (text: string) => {
        texts.push(text);
        if (!onText(text)) call.cancel();
      });
      call.on('error', () => undefined);
      call.on('status', ({ code, details, metadata }) => resolve({ code, details, texts, head: null, trailers: metadata }));
    });
  }

  /** Sends each text only when the answer to the one before is there, and `between` has passed. */
  chat(texts: readonly string[], between: () => Promise<void> = () => Promise.resolve()): Promise<Outcome> {
    const { path, requestSerialize, responseDeserialize } = methods.chat;
    return new Promise((resolve) => {
      const got: string[] = [];
      const call = this.client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
      const next = (): void => {
        const text = texts[got.length];
        if (text === undefined) call.end();
        else call.write(text);
      };
      call.on('data', (text: string) => {
        got.push(text);
        void (async () => {
          await between();
          next();
        })();
      });
      call.on('error', () => undefined);
      call.on('status', ({ code, details, metadata }) => resolve({ code, details, texts: got, head: null, trailers: metadata }));
      next();
    });
  }
}
