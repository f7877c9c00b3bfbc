/** A client that is gone at any byte of its HTTP/2 connection: the right status and flag, and nothing of it is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CutStage } from '../support/cut-stage.ts';
import { cutEach, hows, sendAndCut } from '../support/cuts.ts';
import { block, flag, type Frame, frame, frameType, preface } from '../support/h2-frames.ts';
import { finalHeadEnd } from '../support/http1-text.ts';

const opening = Buffer.concat([preface, frame(frameType.settings, 0, 0)]);
const field = (name: string, value: string): readonly [string, string] => [name, value];
const head = (path: string, method: string, more: readonly (readonly [string, string])[] = []): Buffer =>
  block([field(':method', method), field(':scheme', 'http'), field(':path', path), field(':authority', 'a.test'), ...more]);

interface Shape {
  readonly name: string;
  /** Frames of the client; the path has five characters. */
  readonly request: (path: string) => readonly Buffer[];
  /** Of an HTTP/1.1 upstream. */
  readonly response: string;
  /** Status that the client gets. */
  readonly status: number;
  readonly isTunnel?: true;
}

const upload = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n8\r\n morning\r\n0\r\nX-Sum: 2\r\n\r\n';
const trailers = frame(frameType.headers, flag.endHeaders | flag.endStream, 1, block([field('x-sum', '1')]));
const shapes: readonly Shape[] = [
  {
    name: 'a body and trailers',
    request: (path) => [
      frame(frameType.headers, flag.endHeaders, 1, head(path, 'POST')),
      frame(frameType.data, 0, 1, Buffer.from('hello')),
      frame(frameType.data, 0, 1, Buffer.from(' world')),
      trailers,
    ],
    response: upload,
    status: 200,
  },
  {
    name: 'a head in three frames',
    request: (path) => {
      const fields = head(path, 'GET', [field('x-long', 'value'.repeat(5))]);
      return [
        frame(frameType.headers, flag.endStream, 1, fields.subarray(0, 20)),
        frame(frameType.continuation, 0, 1, fields.subarray(20, 40)),
        frame(frameType.continuation, flag.endHeaders, 1, fields.subarray(40)),
      ];
    },
    response: 'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\ngood morning',
    status: 200,
  },
  {
    name: 'a gRPC call',
    request: (path) => [
      frame(
        frameType.headers,
        flag.endHeaders,
        1,
        head(path, 'POST', [field('content-type', 'application/grpc'), field('te', 'trailers')]),
      ),
      frame(frameType.data, 0, 1, Buffer.from('\0\0\0\0\x05hello', 'latin1')),
      frame(frameType.data, flag.endStream, 1, Buffer.from('\0\0\0\0\x06 world', 'latin1')),
    ],
    response:
      'HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n\0\0\0\0\x06answer\r\n0\r\ngrpc-status: 0\r\n\r\n',
    status: 200,
  },
  {
    name: 'a WebSocket',
    request: (path) => [
      frame(
        frameType.headers,
        flag.endHeaders,
        1,
        head(path, 'CONNECT', [field(':protocol', 'websocket'), field('sec-websocket-version', '13')]),
      ),
      frame(frameType.data, 0, 1, Buffer.from('818211223344604d', 'hex')),
      frame(frameType.data, flag.endStream, 1, Buffer.from('88820102030402ea', 'hex')),
    ],
    response: 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello\x88\x02\x03\xe8',
    status: 200,
    isTunnel: true,
  },
];

/** Whole frames of what came. */
function framesOf(text: string): readonly Frame[] {
  const bytes = Buffer.from(text, 'latin1');
  const frames: Frame[] = [];
  for (let at = 0; at + 9 <= bytes.length;) {
    const length = bytes.readUIntBE(at, 3);
    if (at + 9 + length > bytes.length) break;
    const payload = bytes.subarray(at + 9, at + 9 + length);
    frames.push({ type: bytes[at + 3], flags: bytes[at + 4], stream: bytes.readUInt32BE(at + 5) & 0x7fffffff, payload });
    at += 9 + length;
  }
  return frames;
}

const hasHead = (text: string): boolean => framesOf(text).some(({ type }) => type === frameType.headers);
/** The stream ended, and not by RST_STREAM. */
const isWhole = (text: string): boolean =>
  framesOf(text).some(({ type, flags }) => (type === frameType.headers || type === frameType.data) && (flags & flag.endStream) !== 0);

for (const { name, request, response, status, isTunnel = false } of shapes)
  await test(name, { timeout: 60_000 }, async (t) => {
    const stage = await CutStage.start(t);
    const sample = request('/0000');
    const length = opening.length + Buffer.concat(sample).length;
    /** Where the request's head is whole. */
    const headEnd = opening.length + Buffer.concat(sample.filter((bytes) => bytes[3] !== frameType.data && !bytes.equals(trailers))).length;
    const answerHeadEnd = finalHeadEnd(response);
    for (const how of hows) {
      await t.test(`the client is gone (${how}) after any byte of its connection`, async () => {
        const seen: (readonly [path: string, bytes: number, received: string])[] = [];
        await cutEach(length, async (bytes) => {
          const arrived = Promise.withResolvers<void>();
          const path = stage.path({
            onHead: (socket) => {
              arrived.resolve();
              if (isTunnel && how === 'end') socket.write(response, 'latin1');
            },
            onRequest: (socket) => {
              if (!isTunnel && how === 'end') socket.write(response, 'latin1');
            },
          });
          const client = await stage.connect();
          const part = Buffer.concat([opening, ...request(path)]).subarray(0, bytes);
          if (how === 'end') client.socket.end(part);
          else {
            client.send(part);
            // The upstream has what is to be cut.
            if (bytes >= headEnd) await arrived.promise;
            sendAndCut(client.socket, '', 'reset');
          }
          await client.toEnd();
          client.close();
          seen.push([path, bytes, client.received]);
        });
        await stage.settle();
        for (const [path, bytes, received] of seen) {
          const log = stage.outcome(path);
          const at = `${bytes} of ${length} bytes: ${JSON.stringify(log)}`;
          if (bytes < headEnd) assert.deepEqual([log, hasHead(received)], [undefined, false], at);
          else if (how === 'reset') assert.deepEqual(log, [0, 'DC'], at);
          else if (bytes === length) assert.deepEqual([log, isWhole(received)], [[status, '-'], true], at);
          else {
            // A connection that its client has closed brings nothing more: not the rest of a request either.
            assert.deepEqual([log?.[1], isWhole(received)], ['DC', false], at);
          }
        }
      });

      await t.test(`the client is gone (${how}) while any byte of the response is on its way`, async () => {
        const seen: (readonly [path: string, bytes: number, received: string])[] = [];
        await cutEach(response.length, async (bytes) => {
          const [sent, rest] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
          const path = stage.path({
            onRequest: (socket) => {
              socket.write(response.slice(0, bytes), 'latin1', () => sent.resolve());
              // Before its stream ends a tunnel is cut by either.
              if (!isTunnel) void rest.promise.then(() => socket.write(response.slice(bytes), 'latin1'));
            },
          });
          const client = await stage.connect();
          client.send(Buffer.concat([opening, ...request(path).slice(0, isTunnel ? -1 : undefined)]));
          await sent.promise;
          if (bytes >= answerHeadEnd) await client.until(hasHead);
          if (bytes === response.length && !isTunnel) await client.until(isWhole);
          sendAndCut(client.socket, '', how);
          if (how === 'end') rest.resolve();
          await client.toEnd();
          client.close();
          seen.push([path, bytes, client.received]);
        });
        await stage.settle();
        for (const [path, bytes, received] of seen) {
          const log = stage.outcome(path);
          const at = `${bytes} of ${response.length} bytes: ${JSON.stringify(log)}`;
          if (how === 'end' && !isTunnel) assert.deepEqual([log, isWhole(received)], [[status, '-'], true], at);
          else if (bytes < answerHeadEnd) assert.deepEqual(log, [0, 'DC'], at);
          else assert.deepEqual(log, [status, isWhole(received) ? '-' : 'DC'], at);
        }
      });
    }
  });
