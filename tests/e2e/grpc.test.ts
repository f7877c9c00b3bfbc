/** gRPC through the proxy: real client, real server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:http2';
import { describe, it, type TestContext } from 'node:test';
import { Metadata, ServerCredentials, status } from '@grpc/grpc-js';
import type { Cluster } from '../../src/model/cluster.ts';
import type { ForwardAction, Route } from '../../src/model/route.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import { EchoClient, grpcService, type Seen } from '../support/grpc.ts';
import { ask, secured } from '../support/http2.ts';
import { Http2Upstream } from '../support/http2-upstream.ts';
import { Pki } from '../support/pki.ts';
import { exchange, portOf, RawBackend } from '../support/raw.ts';
import { clusterOf, origin, Rig, routeTo, snapshotOf, type RigOptions } from '../support/rig.ts';
import { clientTls } from '../support/upstream-tls.ts';

function forwardOf(route: Route): ForwardAction {
  assert.ok(route.action.kind === 'forward');
  return route.action;
}

const grpcLog =
  '{"code":"%RESPONSE_CODE%","flags":"%RESPONSE_FLAGS%","details":"%RESPONSE_CODE_DETAILS%","grpc":"%GRPC_STATUS%","number":"%GRPC_STATUS(NUMBER)%","protocol":"%PROTOCOL%"}';

interface Setup {
  readonly client: EchoClient;
  readonly seen: Seen;
  readonly rig: Rig;
  readonly port: number;
  readonly snapshot: Snapshot;
}

interface Wanted {
  readonly down?: 'plain' | 'tls';
  readonly up?: 'plain' | 'tls';
  readonly route?: Partial<Route>;
  readonly options?: RigOptions;
  readonly cluster?: Partial<Cluster>;
  /** Of the cluster; default: the service's. */
  readonly port?: number;
}

async function setup(
  t: TestContext,
  { down = 'plain', up = 'plain', route = {}, options = {}, port, cluster: more = {} }: Wanted = {},
): Promise<Setup> {
  const pki = new Pki(t);
  const issued = pki.issue({ names: ['DNS:localhost', 'DNS:upstream.test', 'IP:127.0.0.1'] });
  const key = { private_key: Buffer.from(issued.privateKey), cert_chain: Buffer.from(issued.certificate) };
  const service = await grpcService(t, up === 'tls' ? ServerCredentials.createSsl(null, [key]) : undefined);
  const ca = { name: 'ca', certificate: null, privateKey: null, ca: pki.ca, origin };
  const transport = up === 'tls' ? ({ transport: 'tls', tls: clientTls() } as const) : {};
  const make = (at: number): Snapshot => {
    const cluster = clusterOf('b', [port ?? service.port], { protocol: 'http2', ...transport, ...more });
    const plain = snapshotOf(at, [routeTo('b', route)], [cluster], options);
    const snapshot = down === 'tls' ? secured(plain, issued) : plain;
    return { ...snapshot, secrets: [...(snapshot.secrets ?? []), ca] };
  };
  const rig = await Rig.start(make, { accessLog: grpcLog, ...options });
  t.after(async () => {
    await rig.close();
    assert.deepEqual(rig.faults, [], 'no bug was caught by a guard');
  });
  const client = new EchoClient(t, `localhost:${rig.port}`, down === 'tls' ? pki.ca : null);
  return { client, seen: service.seen, rig, port: rig.port, snapshot: make(rig.port) };
}

const forward = forwardOf(routeTo('b'));

describe('gRPC', () => {
  for (const down of ['plain', 'tls'] as const)
    for (const up of ['plain', 'tls'] as const)
      it(`passes all four shapes, client ${down}, service ${up}`, async (t) => {
        const { client, seen, rig } = await setup(t, { down, up });
        const metadata = new Metadata();
        metadata.set('x-mine', 'kept');
        metadata.set('x-some-bin', Buffer.from([0, 1, 255]));
        const one = await client.unary('hello', {}, metadata);
        assert.deepEqual([one.code, one.texts], [status.OK, ['hello']]);
        assert.deepEqual([one.head?.get('x-head'), one.trailers?.get('x-trailer')], [['first'], ['at the end']]);
        assert.deepEqual(seen.metadata?.get('x-mine'), ['kept']);
        assert.deepEqual(seen.metadata?.get('x-some-bin'), [Buffer.from([0, 1, 255])]);
        assert.deepEqual((await client.collect(['a', 'b', 'c'])).texts, ['a,b,c']);
        const count = await client.count(2000);
        assert.deepEqual([count.code, count.texts.length, count.texts.at(-1)], [status.OK, 2000, '2000']);
        assert.deepEqual((await client.chat(['x', 'y', 'z'])).texts, ['X', 'Y', 'Z']);
        const logs = await rig.logged(4);
        for (const log of logs) assert.deepEqual([log['code'], log['grpc'], log['number'], log['protocol']], ['200', 'OK', '0', 'HTTP/2']);
        await rig.settled();
        // 1 + 3 + 1 + 3 messages asked, 1 + 1 + 2000 + 3 answered.
        assert.deepEqual([rig.metric('istio_request_messages_total'), rig.metric('istio_response_messages_total')], [8, 2005]);
      });

  it('carries a message of 3 MB both ways', async (t) => {
    const { client } = await setup(t);
    const text = 'x'.repeat(3_000_000);
    const reply = await client.unary(text);
    assert.deepEqual([reply.code, reply.texts[0] === text], [status.OK, true]);
  });

  it('carries the status of the service, in a head without a body too', async (t) => {
    const { client, rig } = await setup(t);
    const reply = await client.unary('fail 5 nobody of this name, größer');
    assert.deepEqual([reply.code, reply.details, reply.trailers?.get('x-trailer')], [5, 'nobody of this name, größer', ['at the end']]);
    const [log] = await rig.logged(1);
    assert.deepEqual([log['code'], log['grpc'], log['number']], ['200', 'NotFound', '5']);
  });

  it('keeps the trailers of many calls at a time apart', async (t) => {
    const { client, rig } = await setup(t);
    const calls = Array.from({ length: 300 }, (_, i) => client.unary(i % 2 === 0 ? `fail 9 call number ${i}` : `text ${i}`));
    const replies = await Promise.all(calls);
    for (const [i, { code, details, texts }] of replies.entries())
      assert.deepEqual([code, details, texts], i % 2 === 0 ? [9, `call number ${i}`, []] : [0, 'OK', [`text ${i}`]]);
    await rig.settled();
  });

  it('lets a call send for longer than another request may', async (t) => {
    const options = { limits: { requestTimeoutMs: 100 } };
    const { client, rig, port, snapshot } = await setup(t, { options });
    const silent = await RawBackend.start(() => undefined);
    t.after(() => silent.close());
    const { routes, clusters } = snapshot;
    const matches = [
      { route: 1, index: 0, match: { path: { kind: 'exact', value: '/silent' } }, rankReason: 'first' },
      { route: 0, index: 0, match: {}, rankReason: 'last' },
    ] as const;
    await rig.apply(snapshotOf(port, [...routes, routeTo('silent')], [...clusters, clusterOf('silent', [silent.port])], options, matches));
    let started = 0;
    const reply = await client.chat(['a', 'b'], async () => {
      if (started++ > 0) return;
      // Another request that begins only now, and runs into the limit.
      const refused = await exchange(port, 'POST /silent HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx');
      assert.match(refused, /^HTTP\/1\.1 408 /);
    });
    assert.deepEqual([reply.code, reply.texts], [0, ['A', 'B']]);
  });

  it('reaches a service that answers in HTTP/1.1 with trailers', async (t) => {
    const server = createServer((request, response) => {
      request.resume();
      request.on('end', () => {
        response.writeHead(200, { 'content-type': 'application/grpc', trailer: 'grpc-status, grpc-message' });
        response.write(Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from('hi')]));
        response.addTrailers({ 'grpc-status': '9', 'grpc-message': request.headers.te ?? '' });
        response.end();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { client, rig } = await setup(t, { port: portOf(server), cluster: { protocol: 'http1' } });
    const reply = await client.unary('hello');
    assert.deepEqual([reply.code, reply.details], [9, 'trailers']);
    assert.equal((await rig.logged(1))[0]['grpc'], 'FailedPrecondition');
  });

  it('ends a call that the service ends first', async (t) => {
    const { client, rig } = await setup(t);
    for (let i = 0; i < 20; i++) {
      const reply = await client.chat(['a', 'bye', 'never sent']);
      assert.deepEqual([reply.code, reply.texts], [status.OK, ['A']]);
    }
    for (const log of await rig.logged(20)) assert.deepEqual([log['flags'], log['grpc']], ['-', 'OK']);
    await rig.settled();
  });

  it('passes a cancelled call on', async (t) => {
    const { client, seen, rig } = await setup(t);
    const reply = await client.count(1e9, (text) => text !== '10');
    assert.equal(reply.code, status.CANCELLED);
    while (seen.cancelled === 0) await new Promise((resolve) => setImmediate(resolve));
    await rig.settled();
  });
});

describe('a deadline of gRPC', () => {
  it('ends a call that takes longer, whatever the service does', async (t) => {
    const codes: Promise<number>[] = [];
    const silent = await Http2Upstream.start(t, (stream) => {
      codes.push(new Promise((resolve) => stream.on('close', () => resolve(stream.rstCode ?? -1))));
    });
    const { rig, port } = await setup(t, { port: silent.port });
    const session = connect(`http://localhost:${port}`);
    t.after(() => session.destroy());
    const headers = {
      ':method': 'POST',
      ':path': '/test.Echo/Unary',
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': '200m',
    };
    const reply = await ask(session, headers, Buffer.from([0, 0, 0, 0, 0]));
    assert.deepEqual([reply.status, reply.headers['grpc-status'], reply.headers['grpc-message']], [200, '4', 'upstream request timeout']);
    assert.equal(reply.headers['content-type'], 'application/grpc');
    const [log] = await rig.logged(1);
    assert.deepEqual([log['flags'], log['grpc'], log['details']], ['UT', 'DeadlineExceeded', 'response_timeout']);
    assert.deepEqual(await Promise.all(codes), [8]);
    await rig.settled();
  });

  it('is no longer than the route’s time', async (t) => {
    const { client, seen } = await setup(t, { route: { action: { ...forward, timeoutMs: 5000 } } });
    await client.unary('hello', { deadline: Date.now() + 60_000 });
    assert.ok(seen.deadlineMs <= 5000, `${seen.deadlineMs}`);
    await client.unary('hello');
    assert.ok(seen.deadlineMs <= 5000, `${seen.deadlineMs}`);
    await client.unary('hello', { deadline: Date.now() + 2000 });
    assert.ok(seen.deadlineMs <= 2000, `${seen.deadlineMs}`);
  });

  it('is none where neither says one', async (t) => {
    const { client, seen } = await setup(t);
    await client.unary('hello');
    assert.equal(seen.deadlineMs, Infinity);
  });
});

describe('an answer of our own to gRPC', () => {
  const direct = (code: number): Partial<Route> => ({
    action: { kind: 'direct-response', status: code, body: 'nein, größer', headers: [] },
  });
  const rows: readonly (readonly [name: string, wanted: Wanted, code: number, details: string])[] = [
    ['no endpoint', { route: { action: { ...forward, destinations: [] } } }, status.UNAVAILABLE, 'Internal server error'],
    ['nothing listens', { port: 1 }, status.UNAVAILABLE, 'upstream connect error'],
    ['400', { route: direct(400) }, status.INTERNAL, 'nein, größer'],
    ['401', { route: direct(401) }, status.UNAUTHENTICATED, 'nein, größer'],
    ['403', { route: direct(403) }, status.PERMISSION_DENIED, 'nein, größer'],
    ['404', { route: direct(404) }, status.UNIMPLEMENTED, 'nein, größer'],
    ['429', { route: direct(429) }, status.UNAVAILABLE, 'nein, größer'],
    ['500', { route: direct(500) }, status.UNKNOWN, 'nein, größer'],
    [
      '503 of a route that must not run',
      { route: { action: { kind: 'blocked', status: 503, reason: 'x' } } },
      status.UNAVAILABLE,
      'Service unavailable',
    ],
  ];
  for (const [name, wanted, code, details] of rows)
    it(`${name}: ${status[code]}`, async (t) => {
      const { client, rig } = await setup(t, wanted);
      const reply = await client.unary('hello');
      assert.deepEqual([reply.code, reply.details], [code, details]);
      const [log] = await rig.logged(1);
      assert.deepEqual([log['code'], log['number']], ['200', String(code)]);
      await rig.settled();
    });
});
