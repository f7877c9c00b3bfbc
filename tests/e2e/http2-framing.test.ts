/** However a client of HTTP/2 cuts its request into frames, and however they arrive, the upstream gets all of it and the client its answer. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createHttp2Server, type Http2ServerRequest } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import type { Cluster } from '../../src/model/cluster.ts';
import { block, flag, frame, FrameClient, frameType, get } from '../support/h2-frames.ts';
import { clusterOf, Rig, routeTo, snapshotOf } from '../support/rig.ts';

const bodies: readonly (readonly number[])[] = [[], [0], [3], [0, 3], [3, 0], [3, 0, 4], [20_000]];
/** Where END_STREAM is: on the last frame of the body (the head, where there is none), on an empty one behind it, on trailers. */
const ends = ['last', 'empty', 'trailers'] as const;

interface Framing {
  readonly name: string;
  readonly bytes: number;
  readonly frames: (stream: number) => readonly Buffer[];
}

function* framings(): Generator<Framing> {
  for (const sizes of bodies)
    for (const end of ends)
      for (const hasLength of [false, true]) {
        const bytes = sizes.reduce((sum, size) => sum + size, 0);
        const isLast = (place: number): boolean => end === 'last' && place === sizes.length - 1;
        const fields = get(end === 'trailers' ? '/trailers' : '/').map(([name, value]): [string, string] => [
          name,
          name === ':method' ? 'POST' : value,
        ]);
        if (hasLength) fields.push(['content-length', String(bytes)]);
        const frames = (stream: number): readonly Buffer[] => [
          frame(frameType.headers, flag.endHeaders | (isLast(-1) ? flag.endStream : 0), stream, block(fields)),
          ...sizes.flatMap((size, place) => cut(size).map((part, i, all) => data(stream, part, isLast(place) && i === all.length - 1))),
          ...(end === 'empty' ? [data(stream, 0, true)] : []),
          ...(end === 'trailers' ? [frame(frameType.headers, flag.endHeaders | flag.endStream, stream, block([['x-sum', '1']]))] : []),
        ];
        yield { name: `${sizes.join('+')} bytes, ends on ${end}, ${hasLength ? 'with' : 'without'} a length`, bytes, frames };
      }
}

/** No frame is larger than 16 KiB (RFC 9113 §4.2). */
function cut(size: number): readonly number[] {
  return size <= 16_384 ? [size] : [16_384, ...cut(size - 16_384)];
}

function data(stream: number, size: number, isLast: boolean): Buffer {
  return frame(frameType.data, isLast ? flag.endStream : 0, stream, Buffer.alloc(size, 'x'));
}

/** Says how many bytes it got. */
async function count(request: IncomingMessage | Http2ServerRequest, answer: (bytes: string) => void): Promise<void> {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => (bytes += chunk.length));
  await once(request, 'end');
  answer(`${bytes}`);
}

async function attack(t: TestContext, upstream: number, more: Partial<Cluster>): Promise<void> {
  const rig = await Rig.start((port) => snapshotOf(port, [routeTo('b')], [clusterOf('b', [upstream], more)]));
  t.after(async () => {
    await rig.close();
    assert.deepEqual(rig.faults, []);
  });
  const client = await FrameClient.connect(rig.port);
  t.after(() => client.close());
  let stream = -1;
  let pings = 0;
  for (const framing of framings())
    for (const isWhole of [true, false]) {
      stream += 2;
      const id = stream;
      const [head, ...rest] = framing.frames(id);
      if (isWhole) client.send(head, ...rest);
      else {
        // What it has answered to was read: the rest of the request comes later.
        const ping = Buffer.alloc(8, ++pings);
        client.send(head, frame(frameType.ping, 0, 0, ping));
        await client.frame(({ type, flags, payload }) => type === frameType.ping && flags === flag.ack && payload.equals(ping));
        client.send(...rest);
      }
      const last = await client.frame(
        ({ type, flags, stream: of }) => of === id && (type === frameType.rstStream || (flags & flag.endStream) !== 0),
      );
      const text = client.frames.flatMap(({ type, stream: of, payload }) => (of === id && type === frameType.data ? [payload] : []));
      const what = `${framing.name}, ${isWhole ? 'in one piece' : 'in two'}`;
      assert.notEqual(last?.type, frameType.rstStream, what);
      assert.equal(Buffer.concat(text).toString(), String(framing.bytes), what);
    }
}

for (const [name, header] of [
  ['a new connection for each request', 'close'],
  ['kept connections', 'keep-alive'],
] as const)
  await test(`towards HTTP/1.1, ${name}`, async (t) => {
    const server = createServer((request, response) => {
      response.setHeader('connection', header);
      void count(request, (bytes) => response.end(bytes));
    }).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    await attack(t, portOf(server.address()), {});
  });

await test('towards HTTP/2', async (t) => {
  const server = createHttp2Server((request, response) => void count(request, (bytes) => response.end(bytes))).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  await attack(t, portOf(server.address()), { protocol: 'http2' });
});

function portOf(address: AddressInfo | string | null): number {
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}
