/** Upstreams that misbehave in HTTP/2: what the client gets, what the log says, and that nothing is left behind. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { frame, frameType, uint32 } from '../support/h2-frames.ts';
import { echo, type FrameConnection, FrameUpstream, Http2Upstream } from '../support/http2-upstream.ts';
import { RawBackend, RawClient } from '../support/raw.ts';
import { clusterOf } from '../support/rig.ts';
import { Reaching } from '../support/upstream-tls.ts';

const h2 = { protocol: 'http2' } as const;

type OnRequest = (connection: FrameConnection, stream: number, count: number) => void;

async function facing(
  t: TestContext,
  onRequest: OnRequest,
  settings?: Buffer | null,
): Promise<{ upstream: FrameUpstream; reach: Reaching }> {
  let count = 0;
  const upstream = await FrameUpstream.start(t, (connection, stream) => onRequest(connection, stream, ++count), settings);
  const reach = await Reaching.start(t, { cluster: clusterOf('b', [upstream.port], h2) });
  return { upstream, reach };
}

const ok: readonly (readonly [string, string])[] = [[':status', '200']];
const reset = (stream: number, code: number): Buffer => frame(frameType.rstStream, 0, stream, uint32(code));
const goaway = (last: number, code: number): Buffer => frame(frameType.goaway, 0, 0, Buffer.concat([uint32(last), uint32(code)]));

function answer(connection: FrameConnection, stream: number, text = 'hello'): void {
  connection.send(connection.head(stream, ok, false), connection.data(stream, text, true));
}

interface Row {
  readonly name: string;
  readonly act: OnRequest;
  readonly settings?: Buffer | null;
  readonly status: number;
  readonly flags: string;
  readonly details: string | RegExp;
  /** Tries that it took. */
  readonly attempts: number;
}

const remoteReset = 'upstream_reset_before_response_started{remote_reset}';
const terminated = 'upstream_reset_before_response_started{connection_termination}';
const broken = /^upstream_reset_before_response_started\{/;

const rows: readonly Row[] = [
  { name: 'RST_STREAM with CANCEL', act: (c, s) => c.send(reset(s, 8)), status: 503, flags: 'UR', details: remoteReset, attempts: 1 },
  {
    name: 'RST_STREAM with INTERNAL_ERROR',
    act: (c, s) => c.send(reset(s, 2)),
    status: 503,
    flags: 'UR',
    details: remoteReset,
    attempts: 1,
  },
  {
    name: 'RST_STREAM with NO_ERROR and no response',
    act: (c, s) => c.send(reset(s, 0)),
    status: 503,
    flags: 'UR',
    details: remoteReset,
    attempts: 1,
  },
  {
    name: 'RST_STREAM with an unknown code',
    act: (c, s) => c.send(reset(s, 0xabcd)),
    status: 503,
    flags: 'UR',
    details: remoteReset,
    attempts: 1,
  },
  {
    name: 'RST_STREAM with REFUSED_STREAM, every time',
    act: (c, s) => c.send(reset(s, 7)),
    status: 503,
    flags: 'UR',
    details: 'upstream_reset_before_response_started{remote_refused_stream_reset}',
    attempts: 2,
  },
  { name: 'the end of the connection', act: (c) => c.socket.destroy(), status: 503, flags: 'UC', details: terminated, attempts: 1 },
  { name: 'a reset of the connection', act: (c) => c.socket.resetAndDestroy(), status: 503, flags: 'UC', details: terminated, attempts: 1 },
  {
    name: 'GOAWAY with an error that covers the stream',
    act: (c, s) => c.send(goaway(s, 2)),
    status: 503,
    flags: 'UC',
    details: terminated,
    attempts: 1,
  },
  {
    name: 'GOAWAY that leaves the stream out, every time',
    act: (c) => c.send(goaway(0, 0)),
    status: 503,
    flags: 'UR',
    details: 'upstream_reset_before_response_started{remote_refused_stream_reset}',
    attempts: 5,
  },
  {
    name: 'a status line of HTTP/1.1',
    act: (c) => c.send(Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')),
    settings: null,
    status: 502,
    flags: 'UPE',
    details: broken,
    attempts: 1,
  },
  {
    name: 'a frame that is too large',
    act: (c, s) => c.send(Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, s])),
    status: 502,
    flags: 'UPE',
    details: broken,
    attempts: 1,
  },
  { name: 'no status', act: (c, s) => c.send(c.head(s, [['x-a', 'b']], true)), status: 502, flags: 'UPE', details: broken, attempts: 1 },
  { name: 'two statuses', act: (c, s) => c.send(c.head(s, [...ok, ...ok], true)), status: 502, flags: 'UPE', details: broken, attempts: 1 },
  {
    name: 'a status of two digits',
    act: (c, s) => c.send(c.head(s, [[':status', '99']], true)),
    status: 502,
    flags: 'UPE',
    details: broken,
    attempts: 1,
  },
  {
    name: 'status 101',
    act: (c, s) => c.send(c.head(s, [[':status', '101']], false)),
    status: 502,
    flags: 'UPE',
    details: broken,
    attempts: 1,
  },
  {
    name: 'a connection-specific field',
    act: (c, s) => c.send(c.head(s, [...ok, ['connection', 'close']], true)),
    status: 502,
    flags: 'UPE',
    details: broken,
    attempts: 1,
  },
  {
    name: 'Transfer-Encoding',
    act: (c, s) => c.send(c.head(s, [...ok, ['transfer-encoding', 'chunked']], false)),
    status: 502,
    flags: 'UPE',
    details: broken,
    attempts: 1,
  },
  {
    name: 'a name in upper case',
    act: (c, s) => c.send(c.head(s, [...ok, ['X-A', 'b']], true)),
    status: 502,
    flags: 'UPE',
    details: broken,
    attempts: 1,
  },
  {
    name: 'two lengths',
    act: (c, s) => c.send(c.head(s, [...ok, ['content-length', '1'], ['content-length', '2']], false)),
    status: 502,
    flags: 'UPE',
    details: broken,
    attempts: 1,
  },
  {
    name: 'a length that is no number',
    act: (c, s) => c.send(c.head(s, [...ok, ['content-length', '5x']], false)),
    status: 502,
    flags: 'UPE',
    details: broken,
    attempts: 1,
  },
  {
    name: 'a length and no body',
    act: (c, s) => c.send(c.head(s, [...ok, ['content-length', '5']], true)),
    status: 502,
    flags: 'UPE',
    details: broken,
    attempts: 1,
  },
  { name: 'a body before the head', act: (c, s) => c.send(c.data(s, 'x', false)), status: 502, flags: 'UPE', details: broken, attempts: 1 },
  {
    name: 'more than two hundred fields',
    act: (c, s) => c.send(c.head(s, [...ok, ...Array.from({ length: 230 }, (_, i): [string, string] => [`x-${i}`, 'y'])], true)),
    status: 502,
    flags: 'UPE',
    details: 'upstream_reset_before_response_started{http1.too_many_headers}',
    attempts: 1,
  },
  {
    name: 'interim responses without end',
    act: (c, s) => {
      for (let i = 0; i < 40; i++) c.send(c.head(s, [[':status', '102']], false));
    },
    status: 502,
    flags: 'UPE',
    details: 'upstream_reset_before_response_started{too_many_interim_responses}',
    attempts: 1,
  },
];

describe('an upstream answers with', () => {
  for (const { name, act, settings, status, flags, details, attempts } of rows)
    it(`${name}: ${status} ${flags}`, async (t) => {
      const { reach } = await facing(t, act, settings);
      const reply = await reach.get();
      const log = await reach.lastLog(1);
      assert.deepEqual(
        [reply.status, String(log['flags']), String(log['attempts'])],
        [status, flags, String(attempts)],
        JSON.stringify(log),
      );
      if (typeof details === 'string') assert.equal(log['details'], details);
      else assert.match(String(log['details']), details);
      await reach.rig.settled();
    });
});

describe('after the head of the response', () => {
  const cuts: readonly (readonly [name: string, act: OnRequest, flags: string, details: string])[] = [
    [
      'RST_STREAM',
      (c, s) => c.send(c.head(s, ok, false), c.data(s, 'part', false), reset(s, 2)),
      'UR',
      'upstream_reset_after_response_started{remote_reset}',
    ],
    [
      'RST_STREAM with NO_ERROR in place of the end',
      (c, s) => c.send(c.head(s, ok, false), c.data(s, 'part', false), reset(s, 0)),
      'UR',
      'upstream_reset_after_response_started{remote_reset}',
    ],
    [
      'the end of the connection',
      (c, s) => {
        c.send(c.head(s, ok, false), c.data(s, 'part', false));
        c.socket.end();
      },
      'UC',
      'upstream_reset_after_response_started{connection_termination}',
    ],
    [
      'fewer bytes than announced',
      (c, s) => c.send(c.head(s, [...ok, ['content-length', '10']], false), c.data(s, 'part', true)),
      'UPE',
      'upstream_reset_after_response_started{protocol_error}',
    ],
    [
      'more bytes than announced',
      (c, s) => c.send(c.head(s, [...ok, ['content-length', '2']], false), c.data(s, 'part', true)),
      'UPE',
      'upstream_reset_after_response_started{protocol_error}',
    ],
    [
      'a trailer that frames',
      (c, s) => c.send(c.head(s, ok, false), c.data(s, 'part', false), c.head(s, [['host', 'b']], true)),
      'UPE',
      'upstream_protocol_error{http1.trailer_forbidden}',
    ],
  ];
  for (const [name, act, flags, details] of cuts)
    it(`${name}: the client's connection is cut, ${flags}`, async (t) => {
      const { reach } = await facing(t, act);
      const client = await RawClient.connect(reach.rig.port);
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await client.until(() => false);
      assert.ok(!client.received.endsWith('\r\n0\r\n\r\n'), 'no end of a body that was cut');
      const log = await reach.lastLog(1);
      assert.deepEqual([log['flags'], log['details']], [flags, details]);
      await reach.rig.settled();
    });
});

describe('a request is sent again', () => {
  it('where the upstream refused it, body or not yet', async (t) => {
    const { reach } = await facing(t, (c, s, count) => (count === 1 ? c.send(reset(s, 7)) : answer(c, s)));
    assert.equal((await reach.get('/', 'a', { method: 'POST', body: Buffer.alloc(0) })).text, 'hello');
    assert.equal((await reach.lastLog(1))['attempts'], '2');
  });

  it('but not when a part of its body is gone', async (t) => {
    const { reach } = await facing(t, (c, s) => c.send(reset(s, 7)));
    assert.equal((await reach.get('/', 'a', { method: 'POST', body: Buffer.from('x') })).status, 503);
    assert.equal((await reach.lastLog(1))['attempts'], '1');
  });

  it('where GOAWAY left it out, on a new connection', async (t) => {
    const { reach, upstream } = await facing(t, (c, s, count) => (count === 1 ? c.send(goaway(0, 0)) : answer(c, s)));
    assert.equal((await reach.get()).text, 'hello');
    assert.equal(upstream.connections.length, 2);
  });

  it('where a kept connection was closed under it', async (t) => {
    const { reach, upstream } = await facing(t, (c, s, count) => (count === 2 ? c.socket.destroy() : answer(c, s)));
    assert.equal((await reach.get()).text, 'hello');
    assert.equal((await reach.get()).text, 'hello');
    assert.equal(upstream.connections.length, 2);
    assert.equal((await reach.lastLog(2))['attempts'], '2');
  });

  it('but no POST, there', async (t) => {
    const { reach } = await facing(t, (c, s, count) => (count === 2 ? c.socket.destroy() : answer(c, s)));
    assert.equal((await reach.get()).text, 'hello');
    assert.equal((await reach.get('/', 'a', { method: 'POST', body: Buffer.alloc(0) })).status, 503);
  });
});

describe('GOAWAY', () => {
  it('lets what is under way finish, and nothing new begin', async (t) => {
    let first: () => void = () => undefined;
    let arrived: () => void = () => undefined;
    const isThere = new Promise<void>((resolve) => (arrived = resolve));
    const { reach, upstream } = await facing(t, (c, s, count) => {
      if (count > 1) return answer(c, s, `connection ${upstream.connections.indexOf(c)}`);
      c.send(goaway(s, 0));
      first = () => answer(c, s, 'the first');
      arrived();
    });
    const pending = reach.get();
    await isThere;
    assert.equal((await reach.get()).text, 'connection 1');
    first();
    assert.equal((await pending).text, 'the first');
    await reach.rig.settled();
  });
});

describe('an upstream that is odd', () => {
  it('is sent requests before its SETTINGS, and may not answer before them', async (t) => {
    const { reach, upstream } = await facing(t, (c, s) => answer(c, s), null);
    assert.equal((await reach.get()).status, 502);
    assert.equal(upstream.connections[0].frames.filter((one) => one.type === frameType.headers).length, 1);
    assert.equal((await reach.lastLog(1))['flags'], 'UPE');
    await reach.rig.settled();
  });

  it('loses fields whose values break lines', async (t) => {
    const { reach } = await facing(t, (c, s) => c.send(c.head(s, [...ok, ['x-a', 'b\r\nx-evil: 1'], ['x-b', 'c']], true)));
    const { status, headers } = await reach.get();
    assert.deepEqual([status, headers['x-a'], headers['x-evil'], headers['x-b']], [200, undefined, undefined, 'c']);
  });

  it('that closes right behind its response does not cut it for a slow client', async (t) => {
    const size = 200_000;
    const { reach } = await facing(t, (c, s) => {
      c.send(c.head(s, [...ok, ['content-length', String(size)]], false));
      for (let sent = 0; sent < size; sent += 10_000) c.send(c.data(s, 'x'.repeat(10_000), sent + 10_000 >= size));
      c.socket.end();
    });
    const client = await RawClient.connect(reach.rig.port);
    client.socket.pause();
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    for (let i = 0; i < 500; i++) await new Promise((resolve) => setImmediate(resolve));
    client.socket.resume();
    await client.until((text) => text.length > size);
    assert.equal((await reach.lastLog(1))['flags'], '-');
    await reach.rig.settled();
    client.close();
  });
});

describe('a client that goes away', () => {
  it('resets its stream, and no other', async (t) => {
    const codes: number[] = [];
    let told: () => void = () => undefined;
    const isTold = new Promise<void>((resolve) => (told = resolve));
    let arrived: () => void = () => undefined;
    const isThere = new Promise<void>((resolve) => (arrived = resolve));
    const upstream = await Http2Upstream.start(t, (stream, headers, session) => {
      if (headers[':path'] !== '/lost') return echo(stream, headers, session);
      arrived();
      stream.on('close', () => {
        codes.push(stream.rstCode ?? -1);
        told();
      });
    });
    const reach = await Reaching.start(t, { cluster: clusterOf('b', [upstream.port], h2) });
    const client = await RawClient.connect(reach.rig.port);
    client.send('GET /lost HTTP/1.1\r\nHost: a\r\n\r\n');
    await isThere;
    client.socket.resetAndDestroy();
    await isTold;
    assert.deepEqual(codes, [8]);
    assert.equal((await reach.lastLog(1))['flags'], 'DC');
    assert.equal((await reach.get()).status, 200);
    assert.equal(upstream.sessions.length, 1);
    await reach.rig.settled();
  });
});

describe('an endpoint that nothing listens on', () => {
  it('gives 503 UF after a second try', async (t) => {
    const backend = await RawBackend.start(() => undefined);
    const { port } = backend;
    backend.close();
    const reach = await Reaching.start(t, { cluster: clusterOf('b', [port, port], h2) });
    assert.equal((await reach.get()).status, 503);
    const log = await reach.lastLog(1);
    assert.deepEqual([log['flags'], log['reason']], ['UF', 'ECONNREFUSED']);
    await reach.rig.settled();
  });

  it('is left for one that works', async (t) => {
    const backend = await RawBackend.start(() => undefined);
    const { port } = backend;
    backend.close();
    const upstream = await Http2Upstream.start(t, echo);
    const reach = await Reaching.start(t, { cluster: clusterOf('b', [port, upstream.port], h2) });
    for (let i = 0; i < 4; i++) assert.equal((await reach.get()).status, 200);
    await reach.rig.settled();
  });
});
