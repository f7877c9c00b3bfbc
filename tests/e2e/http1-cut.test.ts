/** A client or an upstream that is gone at any byte of an HTTP/1.1 exchange: the right status and flag, and nothing of it is left. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { CutStage } from '../support/cut-stage.ts';
import { cutEach, forEach, hows, numbers, sendAndCut } from '../support/cuts.ts';
import { finalHeadEnd, type Message, readResponse } from '../support/http1-text.ts';
import type { RawClient } from '../support/raw.ts';

interface Shape {
  readonly name: string;
  /** The path has five characters. */
  readonly request: (path: string) => string;
  readonly response: string;
  /** How the end of the response's body is known. */
  readonly framing: 'length' | 'chunked' | 'close' | 'tunnel';
}

const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
const shapes: readonly Shape[] = [
  {
    name: 'bodies with a length',
    request: (path) => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world`,
    response: 'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\ngood morning',
    framing: 'length',
  },
  {
    name: 'chunks and trailers',
    request: (path) =>
      `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n`,
    response: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n8\r\n morning\r\n0\r\nX-Sum: 2\r\n\r\n',
    framing: 'chunked',
  },
  {
    name: 'an interim response before the final one',
    request: (path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`,
    response: 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    framing: 'length',
  },
  {
    name: 'a response that ends with its connection',
    request: (path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`,
    response: 'HTTP/1.1 200 OK\r\n\r\ngood morning',
    framing: 'close',
  },
  {
    name: 'a WebSocket',
    request: (path) =>
      `GET ${path} HTTP/1.1\r\nHost: a\r\n${upgrade}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    response: `HTTP/1.1 101 Switching Protocols\r\n${upgrade}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x05hello\x88\x02\x03\xe8`,
    framing: 'tunnel',
  },
];

/** Of a client: a text in two frames with a ping between, and a close (RFC 6455 §5.2). */
const frames = Buffer.from('01831122334459475f' + '8980aabbccdd' + '808211223344604d' + '88820102030402ea', 'hex');

interface Seen {
  readonly path: string;
  readonly bytes: number;
  readonly message: Message;
  readonly client: RawClient;
}

for (const shape of shapes)
  await test(shape.name, { timeout: 60_000 }, async (t) => {
    const stage = await CutStage.start(t);
    const { response, framing } = shape;
    const headEnd = finalHeadEnd(response);
    for (const how of hows) {
      await t.test(`the upstream is gone (${how}) after any byte of its response`, async () => {
        const seen: Seen[] = [];
        await cutEach(response.length, async (bytes) => {
          const path = stage.path({ onRequest: (socket) => sendAndCut(socket, response.slice(0, bytes), how) });
          const client = await stage.connect();
          client.send(shape.request(path));
          const text = await client.until((received) => readResponse(received).whole);
          client.close();
          seen.push({ path, bytes, message: readResponse(text), client });
        });
        await stage.settle();
        for (const { path, bytes, message, client } of seen) {
          const { status, whole, body } = message;
          const isOver = framing === 'close' || framing === 'tunnel' ? how === 'end' : bytes === response.length;
          const log = stage.outcome(path);
          const at = `${bytes} of ${response.length} bytes: ${JSON.stringify(log)}, ${JSON.stringify(client.received)}`;
          if (bytes < headEnd) assert.deepEqual([status, whole, log], [503, true, [503, 'UC']], at);
          else if (framing === 'tunnel') {
            assert.deepEqual([status, body], [101, response.slice(headEnd, bytes)], at);
            assert.deepEqual([log, client.ended, client.reset], [[101, isOver ? '-' : 'UC'], isOver, !isOver], at);
          } else if (isOver) {
            const sent = framing === 'length' ? response.slice(headEnd, bytes) : 'good morning'.slice(0, bytes - headEnd);
            assert.deepEqual([status, whole, log], [200, true, [200, '-']], at);
            assert.equal(body, sent, at);
          } else if (framing === 'length' && bytes === headEnd && status === 502) {
            // A head waits a moment for its body: nothing of it was sent on yet.
            assert.deepEqual([whole, log], [true, [502, 'UC']], at);
          } else {
            assert.deepEqual([log, whole, client.ended], [[200, 'UC'], false, false], at);
            assert.ok(status === 200 || status === 0, at);
          }
        }
      });

      await t.test(`the client is gone (${how}) after any byte of its request`, async () => {
        const seen: Seen[] = [];
        const whole = shape.request('/0000');
        await cutEach(whole.length, async (bytes) => {
          const arrived = Promise.withResolvers<void>();
          const path = stage.path({
            onHead: () => arrived.resolve(),
            onRequest: (socket) => {
              if (how === 'reset') return;
              // A tunnel goes on until its client's end comes through.
              if (framing === 'tunnel') socket.write(response, 'latin1');
              else socket.end(response, 'latin1');
            },
          });
          const client = await stage.connect();
          const part = Buffer.from(shape.request(path).slice(0, bytes), 'latin1');
          if (how === 'end') client.socket.end(part);
          else {
            client.send(part);
            // The upstream has what is to be cut.
            if (part.includes('\r\n\r\n')) await arrived.promise;
            sendAndCut(client.socket, '', 'reset');
          }
          await client.toEnd();
          client.close();
          seen.push({ path, bytes, message: readResponse(client.received), client });
        });
        await stage.settle();
        const requestHead = whole.indexOf('\r\n\r\n') + 4;
        for (const { path, bytes, message, client } of seen) {
          const log = stage.outcome(path);
          const at = `${bytes} of ${whole.length} bytes: ${JSON.stringify(log)}, ${JSON.stringify(client.received)}`;
          if (bytes < requestHead) assert.deepEqual([client.received, log], ['', undefined], at);
          else if (bytes < whole.length || how === 'reset') assert.deepEqual([client.received, log], ['', [0, 'DC']], at);
          else {
            // A client that closed its side after a whole request is answered.
            const status = framing === 'tunnel' ? 101 : 200;
            assert.deepEqual([message.status, log, client.ended], [status, [status, '-'], true], at);
            assert.ok(message.whole || message.body === response.slice(headEnd), at);
          }
        }
      });

      if (framing === 'tunnel')
        await t.test(`the client is gone (${how}) after any byte of its frames`, async () => {
          const seen = new Map<string, { readonly sent: Buffer; received: Buffer }>();
          await forEach(numbers(0, frames.length), async (bytes) => {
            const sent = frames.subarray(0, bytes);
            const [arrived, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
            const path = stage.path({
              onRequest: (socket) => {
                const received: string[] = [];
                const take = (): void => {
                  if (received.join('').length === bytes) arrived.resolve();
                };
                socket.on('data', (text: string) => {
                  received.push(text);
                  take();
                });
                socket.on('end', () => {
                  seen.set(path, { sent, received: Buffer.from(received.join(''), 'latin1') });
                  gone.resolve();
                });
                socket.write(response, 'latin1');
                take();
              },
            });
            const client = await stage.connect();
            client.send(shape.request(path));
            await client.until((received) => readResponse(received).body.length === response.length - headEnd);
            if (how === 'end') client.socket.end(sent);
            else {
              client.send(sent);
              await arrived.promise;
              sendAndCut(client.socket, '', 'reset');
            }
            await gone.promise;
            await client.toEnd();
            client.close();
          });
          await stage.settle();
          for (const [path, { sent, received }] of seen) {
            assert.deepEqual(received, sent);
            assert.deepEqual(stage.outcome(path), [101, how === 'end' ? '-' : 'DC'], `${sent.length} of ${frames.length} bytes`);
          }
          assert.equal(seen.size, frames.length + 1);
        });

      await t.test(`the client is gone (${how}) while any byte of the response is on its way`, async () => {
        const seen: Seen[] = [];
        await forEach(numbers(0, response.length), async (bytes) => {
          const [sent, rest] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
          const path = stage.path({
            onRequest: (socket) => {
              socket.write(response.slice(0, bytes), 'latin1', () => sent.resolve());
              void rest.promise.then(() => {
                socket.write(response.slice(bytes), 'latin1');
                // A tunnel ends with its client, other connections go on.
                if (framing === 'close') socket.end();
              });
            },
          });
          const client = await stage.connect();
          client.send(shape.request(path));
          await sent.promise;
          if (bytes >= headEnd) await client.until((received) => readResponse(received).status >= 101);
          if (bytes === response.length && framing !== 'close' && framing !== 'tunnel')
            await client.until((received) => readResponse(received).whole);
          sendAndCut(client.socket, '', how);
          if (how === 'end') rest.resolve();
          await client.toEnd();
          client.close();
          seen.push({ path, bytes, message: readResponse(client.received), client });
        });
        await stage.settle();
        for (const { path, bytes, message, client } of seen) {
          const log = stage.outcome(path);
          const at = `${bytes} of ${response.length} bytes: ${JSON.stringify(log)}, ${JSON.stringify(client.received)}`;
          const code = framing === 'tunnel' ? 101 : 200;
          if (how === 'end') {
            assert.deepEqual([message.status, log, client.ended, client.reset], [code, [code, '-'], true, false], at);
            assert.ok(message.whole || message.body === response.slice(headEnd), at);
          } else if (bytes < headEnd) assert.deepEqual(log, [0, 'DC'], at);
          else assert.deepEqual(log, [code, message.whole ? '-' : 'DC'], at);
        }
      });
    }
  });

await test(
  'a client that ends its side of a tunnel gets all that the upstream had sent before it ended its own',
  { timeout: 60_000 },
  async (t) => {
    // A Unix socket: the system takes a fifth of a megabyte, not many, before Weir has to wait.
    const address = `@weir-test-tunnel-${process.pid}`;
    const stage = await CutStage.start(t, { listener: { address } });
    const sizes = numbers(0, 24).map((step) => 100_000 + step * 12_000);
    await forEach(sizes, async (size) => {
      const sent = Promise.withResolvers<void>();
      const pump = async (socket: Socket): Promise<void> => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
        for (let at = 0; at < size; at += 8000) {
          socket.write(Buffer.alloc(Math.min(8000, size - at), 'x'));
          // Weir has read this piece before the next one comes.
          await stage.cuts.rig.activeUpstream();
        }
        socket.end(() => sent.resolve());
      };
      const path = stage.path({ onRequest: (socket) => void pump(socket) });
      const client = connect({ path: address.replace('@', '\0'), allowHalfOpen: true });
      client.pause();
      client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n`);
      await sent.promise;
      await stage.cuts.rig.activeUpstream();
      client.end();
      await stage.cuts.rig.activeUpstream();
      let text = '';
      client.setEncoding('latin1').on('data', (part: string) => (text += part));
      client.resume();
      await once(client, 'close');
      assert.equal(readResponse(text).body.length, size);
    });
    await stage.cuts.nothingIsLeft();
  },
);
