/** HTTP/2 as an attacker speaks it: nothing ambiguous reaches an upstream, and no flood is worth its while. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { block, flag, frame, frameType, get, uint32, type FrameClient } from '../support/h2-frames.ts';
import { frames, securedRig, type Http2Rig } from '../support/http2.ts';
import { answering } from '../support/raw.ts';

type Field = readonly [string, string];
const without = (name: string): Field[] => get().filter(([known]) => known !== name);
const changed = (name: string, value: string): Field[] => get().map(([known, old]) => [known, known === name ? value : old]);
const plus = (...more: readonly Field[]): Field[] => [...get(), ...more];

interface Row {
  readonly name: string;
  readonly fields: readonly Field[];
  /** Status that is answered, or the error code of the reset. */
  readonly status?: number;
  readonly reset?: number;
  readonly details?: string;
  /** DATA frames after the head; then the head does not end the stream. */
  readonly data?: readonly (readonly [text: string, end: boolean])[];
}

const refused: readonly Row[] = [
  { name: 'an upper-case name', fields: plus(['X-Up', 'a']), reset: 1 },
  { name: 'Connection', fields: plus(['connection', 'x-a']), reset: 1 },
  { name: 'Keep-Alive', fields: plus(['keep-alive', '1']), reset: 1 },
  { name: 'Transfer-Encoding', fields: plus(['transfer-encoding', 'chunked']), reset: 1 },
  { name: 'Proxy-Connection', fields: plus(['proxy-connection', 'close']), reset: 1 },
  { name: 'Upgrade', fields: plus(['upgrade', 'websocket']), reset: 1 },
  { name: 'HTTP2-Settings', fields: plus(['http2-settings', 'AAMAAABk']), status: 400, details: 'http2.connection_header' },
  { name: 'TE other than trailers', fields: plus(['te', 'gzip']), reset: 1 },
  { name: 'no :method', fields: without(':method'), reset: 1 },
  { name: 'no :path', fields: without(':path'), reset: 1 },
  { name: 'no :scheme', fields: without(':scheme'), reset: 1 },
  { name: 'no authority at all', fields: without(':authority'), reset: 1 },
  { name: 'an empty :path', fields: changed(':path', ''), reset: 1 },
  { name: 'an absolute :path', fields: changed(':path', 'http://evil.test/'), reset: 1 },
  { name: 'a :path with a space', fields: changed(':path', '/a HTTP/1.1'), reset: 1 },
  { name: 'a :path with CR LF', fields: changed(':path', '/a HTTP/1.1\r\nx: y'), reset: 1 },
  { name: 'a :path with a fragment', fields: changed(':path', '/a#b'), status: 400, details: 'http2.target_invalid' },
  { name: 'a :path that is * for GET', fields: changed(':path', '*'), reset: 1 },
  { name: ':path twice', fields: plus([':path', '/2']), reset: 1 },
  { name: ':method twice', fields: plus([':method', 'POST']), reset: 1 },
  { name: 'a pseudo-header behind a field', fields: [...without(':path'), ['x-a', 'b'], [':path', '/']], reset: 1 },
  { name: 'an unknown pseudo-header', fields: plus([':version', 'HTTP/1.0']), reset: 1 },
  { name: ':status', fields: plus([':status', '200']), reset: 1 },
  { name: 'a :method with a space', fields: changed(':method', 'GET /evil'), reset: 1 },
  { name: 'a :method nobody knows', fields: changed(':method', 'BREW'), status: 501, details: 'http2.method_unknown' },
  { name: 'a :method in lower case', fields: changed(':method', 'get'), status: 501, details: 'http2.method_unknown' },
  { name: 'a strange :scheme', fields: changed(':scheme', 'ftp'), status: 400, details: 'http2.scheme_invalid' },
  { name: 'an :authority with user information', fields: changed(':authority', 'user@a.test'), reset: 1 },
  { name: 'an :authority with a path', fields: changed(':authority', 'a.test/x'), reset: 1 },
  { name: 'an :authority with CR LF', fields: changed(':authority', 'a.test\r\nx: y'), reset: 1 },
  { name: 'Host that differs from :authority', fields: plus(['host', 'b.test']), status: 400, details: 'http2.authority_mismatch' },
  { name: 'two Host fields', fields: [...without(':authority'), ['host', 'a.test'], ['host', 'b.test']], reset: 1 },
  { name: 'Content-Length of a request without a body', fields: plus(['content-length', '5']), reset: 1 },
  { name: 'Content-Length that is no number', fields: plus(['content-length', '+5']), data: [['hello', true]], reset: 1 },
  { name: 'Content-Length twice', fields: plus(['content-length', '5'], ['content-length', '5']), data: [['hello', true]], reset: 1 },
  {
    name: 'CONNECT to a host',
    fields: [
      [':method', 'CONNECT'],
      [':authority', 'a.test:22'],
    ],
    data: [],
    status: 405,
    details: 'connect_refused',
  },
  {
    name: 'extended CONNECT of another protocol',
    fields: [
      [':method', 'CONNECT'],
      [':protocol', 'connect-udp'],
      [':scheme', 'https'],
      [':path', '/'],
      [':authority', 'a.test'],
    ],
    data: [],
    status: 501,
    details: 'http2.protocol_not_supported',
  },
  { name: ':protocol without CONNECT', fields: plus([':protocol', 'websocket']), reset: 1 },
  { name: 'a name with an underscore', fields: plus(['x_a', 'b']), status: 400, details: 'http1.unexpected_underscore' },
];

async function verdict(client: FrameClient, stream: number): Promise<{ status: number; reset: number | null }> {
  const first = await client.frame((one) => one.stream === stream && (one.type === frameType.headers || one.type === frameType.rstStream));
  if (first === null) return { status: 0, reset: null };
  if (first.type === frameType.rstStream) return { status: 0, reset: first.payload.readUInt32BE(0) };
  // :status as the encoder writes it: from the static table, or as a literal of three digits with its index or name.
  const indexed: Record<number, number> = { 0x88: 200, 0x89: 204, 0x8a: 206, 0x8b: 304, 0x8c: 400, 0x8d: 404, 0x8e: 500 };
  const known = indexed[first.payload[0]];
  if (known !== undefined) return { status: known, reset: null };
  return { status: -1, reset: null };
}

function send(client: FrameClient, stream: number, { fields, data }: Row): void {
  client.request(stream, fields, data === undefined);
  for (const [text, end] of data ?? []) client.send(frame(frameType.data, end ? flag.endStream : 0, stream, Buffer.from(text)));
}

/** A client of a rig whose upstream answers everything and keeps what it was sent. */
async function recording(
  t: TestContext,
): Promise<{ readonly rig: Http2Rig; readonly client: FrameClient; readonly seen: readonly string[] }> {
  const seen: string[] = [];
  const rig = await securedRig(
    t,
    answering((request) => {
      seen.push(request);
      return 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
    }),
  );
  const client = await frames(rig);
  t.after(() => client.close());
  return { rig, client, seen };
}

await test('what cannot be written as one HTTP/1.1 head is refused, and the connection goes on', async (t) => {
  const { rig, client, seen } = await recording(t);
  let stream = -1;
  for (const row of refused) {
    await t.test(row.name, async () => {
      stream += 2;
      send(client, stream, row);
      const { status, reset } = await verdict(client, stream);
      if (row.reset !== undefined) assert.deepEqual([reset, status], [row.reset, 0]);
      else {
        assert.equal(reset, null);
        if (status > 0) assert.equal(status, row.status);
      }
    });
  }
  client.request(stream + 2);
  assert.equal((await verdict(client, stream + 2)).status, 200);
  assert.equal(seen.length, 1, 'only the last one reached the upstream');
  const expected = refused.filter((row) => row.status !== undefined);
  const lines = await rig.rig.logged(expected.length + 1);
  assert.deepEqual(
    lines.slice(0, -1).map((line) => [line['response_code'], line['response_code_details']]),
    expected.map((row) => [row.status, row.details]),
  );
});

await test('fields that no HTTP/1.1 line could hold are left out', async (t) => {
  const { client, seen } = await recording(t);
  const odd: readonly Field[] = [
    ['x-a', 'b\r\nx-evil: 1'],
    ['x-b', 'b\nx-evil: 1'],
    ['x-c', 'b\0c'],
    ['x-d: x-evil', '1'],
    ['x-e\r\nx-evil', '1'],
    ['x e', '1'],
    ['', '1'],
    ['x-f', ' x-evil'],
  ];
  odd.forEach((field, i) => client.request(1 + i * 2, plus(field)));
  for (let i = 0; i < odd.length; i++) assert.equal((await verdict(client, 1 + i * 2)).status, 200);
  assert.equal(seen.length, odd.length);
  for (const request of seen) {
    assert.doesNotMatch(request, /x-evil/);
    assert.equal(request.split('\r\n\r\n').length, 2);
  }
});

await test('a body that is not as long as announced never ends well', async (t) => {
  const rig = await securedRig(t, () => undefined);
  const short = await frames(rig);
  t.after(() => short.close());
  short.request(1, plus(['content-length', '5']), false);
  short.send(frame(frameType.data, flag.endStream, 1, Buffer.from('abc')));
  assert.equal((await verdict(short, 1)).reset, 1);
  const long = await frames(rig);
  long.request(1, plus(['content-length', '2']), false);
  long.send(frame(frameType.data, flag.endStream, 1, Buffer.from('abc')));
  await long.toEnd();
  for (const { received } of rig.backend.connections) assert.doesNotMatch(received, /abc$/);
});

await test('trailers that mean something elsewhere are refused', async (t) => {
  const rig = await securedRig(t, () => undefined);
  const client = await frames(rig);
  t.after(() => client.close());
  for (const [i, field] of (
    [
      ['content-length', '3'],
      ['host', 'b.test'],
    ] as const
  ).entries()) {
    const stream = 1 + i * 2;
    client.request(stream, get(), false);
    client.send(frame(frameType.data, 0, stream, Buffer.from('abc')));
    client.send(frame(frameType.headers, flag.endHeaders | flag.endStream, stream, block([field])));
    const { status, reset } = await verdict(client, stream);
    assert.ok(status === 400 || reset === 1, `${field[0]}: ${status} ${reset}`);
  }
  for (const line of await rig.rig.logged(2)) assert.equal(line['response_flags'], 'DPE');
});

interface Flood {
  readonly name: string;
  /** One piece of the flood. */
  readonly piece: (i: number) => Buffer;
  readonly pieces: number;
  /** Error codes that say why; else the connection just ends. */
  readonly codes: readonly number[];
  /** A stream is open while it goes on. */
  readonly open?: boolean;
}

const ping = frame(frameType.ping, 0, 0, Buffer.alloc(8));
const floods: readonly Flood[] = [
  { name: 'PING', piece: () => ping, pieces: 100_000, codes: [11] },
  { name: 'SETTINGS', piece: () => frame(frameType.settings, 0, 0), pieces: 100_000, codes: [11] },
  { name: 'WINDOW_UPDATE', piece: () => frame(frameType.windowUpdate, 0, 0, uint32(1)), pieces: 100_000, codes: [11] },
  {
    name: 'WINDOW_UPDATE of a stream',
    piece: () => frame(frameType.windowUpdate, 0, 1, uint32(1)),
    pieces: 100_000,
    codes: [11],
    open: true,
  },
  { name: 'empty DATA', piece: () => frame(frameType.data, 0, 1), pieces: 100_000, codes: [11, 2], open: true },
  { name: 'PRIORITY', piece: (i) => frame(frameType.priority, 0, 1 + 2 * (i % 50), Buffer.alloc(5)), pieces: 100_000, codes: [11, 1] },
  { name: 'frames of an unknown type', piece: () => frame(0x42, 0, 0, Buffer.alloc(4)), pieces: 100_000, codes: [11] },
  {
    name: 'CONTINUATION',
    piece: (i) => (i === 0 ? frame(frameType.headers, 0, 1, block(get())) : frame(frameType.continuation, 0, 1, block([['x', 'y']]))),
    pieces: 5000,
    codes: [11, 1, 2],
  },
  {
    name: 'empty CONTINUATION',
    piece: (i) => (i === 0 ? frame(frameType.headers, 0, 1, block(get())) : frame(frameType.continuation, 0, 1)),
    pieces: 5000,
    codes: [11, 1, 2],
  },
  {
    name: 'rapid reset',
    piece: (i) =>
      Buffer.concat([
        frame(frameType.headers, flag.endHeaders | flag.endStream, 1 + 2 * i, block(get())),
        frame(frameType.rstStream, 0, 1 + 2 * i, uint32(8)),
      ]),
    pieces: 20_000,
    codes: [11, 1, 2],
  },
];

async function flooded(t: TestContext, rig: Http2Rig, { piece, pieces, open = false }: Flood): Promise<FrameClient> {
  const client = await frames(rig);
  t.after(() => client.close());
  if (open) client.request(1, get(), false);
  for (let i = 0; i < pieces && !client.closed;) {
    const batch: Buffer[] = [];
    const end = Math.min(pieces, i + 500);
    for (; i < end; i++) batch.push(piece(i));
    await new Promise<void>((resolve) => client.socket.write(Buffer.concat(batch), () => resolve()));
  }
  await client.toEnd();
  return client;
}

for (const flood of floods) {
  await test(`a flood of ${flood.name} ends the connection, and only that`, async (t) => {
    const rig = await securedRig(t, (connection) => {
      connection.socket.on('data', () => {
        if (!connection.received.includes('/other')) return;
        connection.received = '';
        connection.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
      });
    });
    const client = await flooded(t, rig, flood);
    const code = client.goawayError;
    if (code !== null) assert.ok(flood.codes.includes(code), `GOAWAY says ${code}`);
    const other = await frames(rig);
    t.after(() => other.close());
    other.request(1, get('/other'));
    assert.equal((await verdict(other, 1)).status, 200);
    if (flood.open === true) {
      const [line] = await rig.rig.logged(1);
      // nghttp2 cuts some of them itself.
      assert.equal(line['response_flags'], 'DPE');
      assert.match(String(line['response_code_details']), /^http2\.(control_frame_flood|protocol_error)$/);
    }
  });
}

await test('what a busy client needs is no flood', async (t) => {
  const rig = await securedRig(
    t,
    answering(() => 'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n' + 'x'.repeat(1000)),
  );
  const client = await frames(rig);
  t.after(() => client.close());
  // Each response is acknowledged with two updates, as many clients do, and each request has a PING.
  for (let i = 0; i < 3000; i++) {
    const stream = 1 + 2 * i;
    client.request(stream);
    client.send(ping);
    if (i % 50 === 49) assert.equal((await verdict(client, stream)).status, 200);
    client.send(frame(frameType.windowUpdate, 0, 0, uint32(1000)), frame(frameType.windowUpdate, 0, 0, uint32(1)));
    if (i % 500 === 499) client.frames.length = 0;
  }
  client.request(7001);
  assert.equal((await verdict(client, 7001)).status, 200);
  assert.equal(client.goawayError, null);
});
