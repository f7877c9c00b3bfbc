/**
 * HTTP/2 that would be something else once it is HTTP/1.1: Kettle, HTTP/2: The Sequel is Always Worse (2021), and path confusion over HTTP/2.
 * Single malformed fields and floods: http2-hostile.test.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { block, flag, frame, FrameClient, frameType, get, preface } from '../support/h2-frames.ts';
import { echo, Http2Upstream } from '../support/http2-upstream.ts';
import { exchange, RawClient } from '../support/raw.ts';
import { clusterOf, Rig, routeTo, snapshotOf } from '../support/rig.ts';
import { Bench, header, type Http2Outcome } from './hostile/bench.ts';
import { pathRows } from './hostile/paths.ts';

type Field = readonly [string, string];

const data = (text: string, end = true): Buffer => frame(frameType.data, end ? flag.endStream : 0, 1, Buffer.from(text, 'latin1'));
const trailers = (...fields: readonly Field[]): Buffer => frame(frameType.headers, flag.endHeaders | flag.endStream, 1, block(fields));
const post = (...more: readonly Field[]): Field[] => [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/a'],
  [':authority', 'a.test'],
  ...more,
];
const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n';

interface Row {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly after?: readonly Buffer[];
  /** What reaches the backend whole. */
  readonly body?: string;
  readonly also?: (outcome: Http2Outcome) => void;
}

const rows: readonly Row[] = [
  { name: 'H2.CL: a length shorter than the body', fields: post(['content-length', '0']), after: [data(smuggled)] },
  { name: 'H2.CL: a length longer than the body', fields: post(['content-length', '99']), after: [data(smuggled)] },
  { name: 'H2.CL: two lengths', fields: post(['content-length', '0'], ['content-length', '42']), after: [data(smuggled)] },
  { name: 'H2.TE', fields: post(['transfer-encoding', 'chunked']), after: [data(`0\r\n\r\n${smuggled}`)] },
  {
    name: 'H2.TE beside a length',
    fields: post(['transfer-encoding', 'chunked'], ['content-length', '5']),
    after: [data(`0\r\n\r\n${smuggled}`)],
  },
  {
    name: 'H2.0: no length, and chunk framing in the body',
    fields: post(),
    after: [data(`0\r\n\r\n${smuggled}`)],
    body: `0\r\n\r\n${smuggled}`,
  },
  { name: 'a request as the body', fields: post(['content-length', String(smuggled.length)]), after: [data(smuggled)], body: smuggled },
  { name: 'a body in empty pieces', fields: post(), after: [data('', false), data('ab', false), data('', true)], body: 'ab' },
  {
    name: 'Transfer-Encoding behind CR LF in a value',
    fields: post(['x', 'y\r\ntransfer-encoding: chunked']),
    after: [data(`0\r\n\r\n${smuggled}`)],
    body: `0\r\n\r\n${smuggled}`,
    also: ({ reached }) => assert.equal(header(reached[0], 'x'), null),
  },
  {
    name: 'a whole request behind CR LF in :path',
    fields: [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', `/a HTTP/1.1\r\n\r\n${smuggled}`],
      [':authority', 'a.test'],
    ],
  },
  {
    name: 'a whole request behind CR LF in :method',
    fields: [
      [':method', `GET /smuggled HTTP/1.1\r\n\r\nGET`],
      [':scheme', 'http'],
      [':path', '/a'],
      [':authority', 'a.test'],
    ],
  },
  {
    name: 'a whole request behind CR LF in :authority',
    fields: [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/a'],
      [':authority', `a.test\r\n\r\n${smuggled}`],
    ],
  },
  {
    name: 'an address in :scheme',
    fields: [
      [':method', 'GET'],
      [':scheme', 'http://b.test/?'],
      [':path', '/a'],
      [':authority', 'a.test'],
    ],
  },
  {
    name: 'a name with a colon',
    fields: post(['transfer-encoding: chunked\r\nx', 'y']),
    after: [data('ab')],
    body: 'ab',
    also: ({ reached }) => assert.equal(header(reached[0], 'x'), null),
  },
  { name: 'framing in trailers', fields: post(), after: [data('ab', false), trailers(['content-length', '42'])] },
  { name: 'Transfer-Encoding in trailers', fields: post(), after: [data('ab', false), trailers(['transfer-encoding', 'chunked'])] },
  { name: 'a pseudo-header in trailers', fields: post(), after: [data('ab', false), trailers([':path', '/admin'])] },
  {
    name: 'authentication and forwarding fields in trailers',
    fields: post(),
    after: [data('ab', false), trailers(['authorization', 'x'], ['x-forwarded-for', '9.9.9.9'], ['x-sum', '1'])],
    body: 'ab',
    also: ({ reached }) => assert.deepEqual(reached[0].trailers, [['x-sum', '1']]),
  },
  {
    name: 'forwarding fields that the client makes up',
    fields: post(
      ['x-forwarded-proto', 'https'],
      ['x-request-id', 'forged'],
      ['x-forwarded-client-cert', 'By=x'],
      ['proxy', 'x'],
      ['weir-explain', '1'],
      ['content-length', '0'],
    ),
    body: '',
    also: ({ reached }) => {
      assert.equal(header(reached[0], 'x-forwarded-proto'), 'http');
      assert.notEqual(header(reached[0], 'x-request-id'), 'forged');
      for (const name of ['x-forwarded-client-cert', 'proxy', 'weir-explain']) assert.equal(header(reached[0], name), null, name);
    },
  },
];

await test('requests that would become another one in HTTP/1.1', async (t) => {
  const bench = await Bench.start(t);
  for (const { name, fields, after, body, also } of rows) {
    await t.test(name, async () => {
      const outcome = await bench.attackHttp2(fields, after);
      const whole = outcome.reached.filter(({ complete }) => complete);
      if (body === undefined) assert.deepEqual(whole, [], 'nothing whole reaches the backend');
      else {
        assert.deepEqual(
          outcome.reached.map((message) => [message.start, message.body, message.complete]),
          [['POST /a', body, true]],
        );
      }
      also?.(outcome);
    });
  }
});

await test('paths over HTTP/2 end where they do over HTTP/1.1', async (t) => {
  const bench = await Bench.start(t);
  const ends = [];
  for (const [path, end] of pathRows) {
    if (/^http:\/\//i.test(path)) continue;
    const fields: Field[] = [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', path],
      [':authority', 'a.test'],
    ];
    ends.push({ path, end, ...(await bench.attackHttp2(fields)) });
  }
  const lines = await bench.details(true);
  for (const { path, end, address, isReset, reached } of ends) {
    const status = isReset ? 400 : Number(lines.get(address)?.[0].split(' ')[0]);
    const starts = reached.map(({ start }) => start);
    // What reset the stream was nghttp2, before anything was logged.
    if (typeof end === 'number') assert.deepEqual([status, starts], [end, []], path);
    else assert.deepEqual([status, starts], [200, [`GET ${end}`]], path);
  }
});

await test('each stream is routed by its own authority', async (t) => {
  const bench = await Bench.start(t);
  const client = await FrameClient.connect(bench.rig.port);
  t.after(() => client.close());
  for (const [i, authority] of ['a.test', 'internal', 'a.test', 'INTERNAL:80'].entries()) {
    client.request(1 + 2 * i, get(`/${i}`, authority));
    await client.frame(({ stream, flags, type }) => stream === 1 + 2 * i && type <= 1 && (flags & flag.endStream) !== 0);
  }
  const lines = await bench.rig.logged(4);
  assert.deepEqual(
    lines.map((line) => line['response_code']),
    [200, 404, 200, 404],
  );
});

// CVE-2016-1544 manner: one long field in the table, and a reference to it of one byte, many times over.
await test('a header block that unfolds to megabytes is refused', async (t) => {
  const bench = await Bench.start(t);
  const client = await FrameClient.connect(bench.rig.port);
  t.after(() => client.close());
  const value = 'v'.repeat(3900);
  const long = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f]), Buffer.from([0xbd, 0x1d]), Buffer.from(value)]);
  assert.equal((0xbd & 127) + (0x1d << 7) + 127, value.length, 'the length as an integer of HPACK');
  client.send(frame(frameType.headers, flag.endHeaders | flag.endStream, 1, Buffer.concat([block(get()), long, Buffer.alloc(8000, 0xbe)])));
  await client.frame(({ type, stream }) => type === frameType.goaway || stream === 1);
  client.close();
  for (const { received } of bench.backend.connections) assert.equal(received, '');
});

await test('a client that closes its side is answered, then the connection ends', async (t) => {
  const bench = await Bench.start(t);
  for (const piece of [
    Buffer.alloc(0),
    frame(frameType.settings, 0, 0),
    Buffer.concat([frame(frameType.settings, 0, 0), frame(frameType.headers, 5, 1, block(get('/end')))]),
  ]) {
    const client = await RawClient.connect(bench.rig.port);
    client.send(Buffer.concat([preface, piece]));
    client.socket.end();
    const received = await client.toEnd();
    client.close();
    assert.equal(received.includes('GET /end'), piece.length > 9);
  }
});

// A session that fails while trailers wait makes Node abort (nodejs/node#41458): none are sent.
await test('request trailers do not go to an HTTP/2 upstream, announced or not', async (t) => {
  const upstream = await Http2Upstream.start(t, echo);
  const rig = await Rig.start((port) => snapshotOf(port, [routeTo('b')], [clusterOf('b', [upstream.port], { protocol: 'http2' })]));
  t.after(() => rig.close());
  for (const line of ['Trailer: X-Sum\r\n', '']) {
    const head = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n${line}\r\n`;
    const received = await exchange(rig.port, `${head}5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n`);
    assert.match(received, /^HTTP\/1\.1 200 [^]*"bytes":5/);
    assert.doesNotMatch(received, /x-sum/i);
  }
  assert.deepEqual(rig.faults, []);
});
