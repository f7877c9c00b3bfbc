import { createServer, request, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import type { Message, Reading } from './message.ts';

/** Node's own parser (llhttp, strict) over a connection in memory. */
class Wire extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }
  // What net.Socket has and node:http calls.
  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}

const readings = new WeakMap<Duplex, Reading>();

const server = createServer({
  insecureHTTPParser: false,
  requireHostHeader: false,
  maxHeaderSize: 1 << 20,
  keepAliveTimeout: 0,
  headersTimeout: 0,
  requestTimeout: 0,
  connectionsCheckingInterval: 1 << 30,
});
server.maxHeadersCount = 0;
const take = (message: IncomingMessage): void => {
  const reading = readings.get(message.socket);
  reading?.messages.push(collect(message, `${message.method} ${message.url}`));
};
server.on('request', take);
server.on('checkContinue', take);
server.on('checkExpectation', take);
server.on('connect', take);
server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
  const reading = readings.get(socket);
  if (reading !== undefined && reading.error === '') reading.error = error.code ?? error.message;
});

function collect(from: IncomingMessage, start: string): Message {
  const message: Message = { start, headers: pairs(from.rawHeaders), body: '', complete: false, trailers: [] };
  from.on('data', (chunk: Buffer) => (message.body += chunk.toString('latin1')));
  from.on('end', () => {
    message.complete = from.complete;
    message.trailers = pairs(from.rawTrailers);
  });
  from.on('error', () => undefined);
  return message;
}

function pairs(raw: readonly string[]): [string, string][] {
  const out: [string, string][] = [];
  for (let i = 0; i < raw.length; i += 2) out.push([raw[i], raw[i + 1]]);
  return out;
}

/** What a strict node:http server makes of a connection's bytes. */
export function oracleRequests(input: Buffer): Promise<Reading> {
  return new Promise((resolve) => {
    const wire = new Wire();
    const reading: Reading = { messages: [], error: '' };
    readings.set(wire, reading);
    server.emit('connection', wire);
    wire.on('error', () => undefined);
    settle(wire, input, () => resolve(reading));
  });
}

/** What a strict node:http client makes of the bytes that answer a request of `method`. */
export function oracleResponse(input: Buffer, method: string): Promise<Reading> {
  return new Promise((resolve) => {
    const wire = new Wire();
    const reading: Reading = { messages: [], error: '' };
    const sent = request({ createConnection: () => wire, method, host: 'a', insecureHTTPParser: false, maxHeaderSize: 1 << 20 });
    sent.maxHeadersCount = 0;
    sent.on('information', (info) => {
      reading.messages.push({ start: String(info.statusCode), headers: pairs(info.rawHeaders), body: '', complete: true, trailers: [] });
    });
    const final = (response: IncomingMessage): void => void reading.messages.push(collect(response, String(response.statusCode)));
    sent.on('response', final);
    sent.on('upgrade', final);
    sent.on('connect', final);
    sent.on('error', (error: NodeJS.ErrnoException) => (reading.error ||= error.code ?? error.message));
    sent.end();
    // The parser is attached with the socket, a turn later.
    sent.on('socket', () => setImmediate(() => settle(wire, input, () => resolve(reading))));
  });
}

/** Sends the bytes and the end, lets every event run, and tears the connection down. */
function settle(wire: Wire, input: Buffer, done: () => void): void {
  if (input.length !== 0) wire.push(input);
  wire.push(null);
  let turns = 4;
  const turn = (): void => {
    // Inputs are far below any high-water mark, so that nothing is left waiting after these turns.
    if (--turns > 0) return void setImmediate(turn);
    done();
    wire.destroy();
  };
  setImmediate(turn);
}
