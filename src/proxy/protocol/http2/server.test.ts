import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { createServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import { Wheel } from '../../../base/wheel.ts';
import { ConnectionCounts } from '../../../decide/connection-counts.ts';
import { createLimitMemory, SharedLimitStore } from '../../../decide/limit-store.ts';
import { Layer4Metrics } from '../../../telemetry/layer4-metrics.ts';
import { WorkerMetrics } from '../../../telemetry/metrics.ts';
import { origin, snapshotOf } from '../../../../tests/support/rig.ts';
import { portOf } from '../../../../tests/support/raw.ts';
import { buildChain } from '../../chain/chain.ts';
import { ListenerRuntime } from '../../listen/listener-runtime.ts';
import { materialise } from '../../materialise.ts';
import { compileTables } from '../../route/compile.ts';
import { RouteTables, type ListenerTable } from '../../route/tables.ts';
import type { RouteRuntime, WorkerRuntime } from '../../runtime.ts';
import { ReadBuffers, Staging } from '../../upstream/buffers.ts';
import { ClusterSet } from '../../upstream/cluster-state.ts';
import { serveHttp2 } from './server.ts';

interface Bench {
  readonly worker: WorkerRuntime;
  readonly at: ListenerRuntime;
  readonly client: ClientHttp2Session;
  readonly faults: string[];
  readonly logged: string[];
}

/** One listener that answers by itself, whose route look-up throws for `/bug`. */
async function start(t: TestContext): Promise<Bench> {
  const faults: string[] = [];
  const logged: string[] = [];
  const onFault = (error: unknown): void => void faults.push(error instanceof Error ? error.message : String(error));
  const wheel = new Wheel(20, performance.now(), onFault);
  const worker: WorkerRuntime = {
    staging: new Staging(),
    reads: new ReadBuffers(),
    wheel,
    clusters: new ClusterSet(),
    cluster: () => null,
    counts: new ConnectionCounts(createLimitMemory(32), 0),
    telemetry: {
      needs: { requestHeaders: [], responseHeaders: [], responseTrailers: [] },
      record: (x) => void logged.push(`${x.originalPath} ${x.responseCode} ${x.responseCodeDetails}`),
      connectionOpened: () => undefined,
      connectionClosed: () => undefined,
      connectionRefused: () => undefined,
      connectionHandedOver: () => undefined,
      handshake: () => undefined,
      layer4: new Layer4Metrics(new WorkerMetrics(new SharedArrayBuffer(8 * 1024), () => undefined)),
      log4: () => undefined,
      layer4Opened: () => undefined,
      layer4Closed: () => undefined,
    },
    chainContext: {
      limits: new SharedLimitStore(createLimitMemory(64)),
      findKey: () => null,
      findConsumer: () => null,
      replyStyle: 'envoy',
    },
    revision: 1,
    draining: false,
    overloaded: false,
    active: 0,
    lastRequestAt: 0,
    onFault,
    onConnect: () => undefined,
    onClose: () => undefined,
  };
  const action = { kind: 'direct-response', status: 200, body: 'hello', headers: [] } as const;
  const route = { id: 'r', name: 'r', rule: 0, origin, action, filters: [], pending: [] };
  const snapshot = snapshotOf(80, [route], []);
  const tables: RouteTables<RouteRuntime> = new RouteTables<RouteRuntime>(compileTables(snapshot), 1, (context) =>
    materialise(worker, tables, context),
  );
  const table = tables.listener(snapshot.listeners[0].name);
  assert.ok(table !== null);
  const lookup: ListenerTable<RouteRuntime>['lookup'] = (request) => {
    if (request.path === '/bug') throw new Error('a bug');
    return table.lookup(request);
  };
  const sabotaged: ListenerTable<RouteRuntime> = Object.create(table, { lookup: { value: lookup } });
  const at = new ListenerRuntime(sabotaged, buildChain([], 'listener', worker.chainContext));
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
    serveHttp2(worker, at, {
      socket,
      remoteAddress: '127.0.0.1',
      remotePort: 1,
      directRemoteAddress: '127.0.0.1',
      directRemotePort: 1,
      localAddress: '127.0.0.1',
      localPort: 80,
      tls: null,
      serverName: '',
      chain: null,
      peeked: null,
    }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  wheel.start();
  const client = connect(`http://127.0.0.1:${portOf(server)}`);
  client.on('error', () => undefined);
  t.after(() => {
    client.destroy();
    for (const connection of at.connections) connection.close();
    server.close();
    wheel.stop();
  });
  return { worker, at, client, faults, logged };
}

/** Status and error code of a request's end. */
async function outcome(stream: ClientHttp2Stream): Promise<string> {
  let status: unknown = 0;
  stream.on('response', (headers) => (status = headers[':status']));
  stream.on('error', () => undefined);
  stream.resume();
  await new Promise((resolve) => stream.on('close', resolve));
  return `${String(status)} ${stream.rstCode}`;
}

await test('a bug ends one stream, not the connection', async (t) => {
  const { worker, client, faults, logged } = await start(t);
  const get = (path: string): Promise<string> => outcome(client.request({ ':path': path, ':authority': 'a.test' }));
  assert.deepEqual(await Promise.all([get('/one'), get('/bug'), get('/two')]), ['200 0', '0 2', '200 0']);
  assert.equal(await get('/three'), '200 0');
  const upload = client.request({ ':path': '/bug', ':method': 'POST', ':authority': 'a.test' });
  upload.on('error', () => undefined);
  upload.write('begun');
  assert.equal(await outcome(upload), '0 2');
  assert.equal(await get('/four'), '200 0');
  assert.deepEqual(faults, ['a bug', 'a bug']);
  assert.equal(worker.active, 0);
  assert.deepEqual(logged.toSorted(), [
    '/bug 500 internal_error',
    '/bug 500 internal_error',
    '/four 200 direct_response',
    '/one 200 direct_response',
    '/three 200 direct_response',
    '/two 200 direct_response',
  ]);
});

await test('a listener keeps count of its connections; goAway and close end them', async (t) => {
  const { at, client } = await start(t);
  await outcome(client.request({ ':path': '/', ':authority': 'a.test' }));
  assert.equal(at.connections.size, 1);
  const [connection] = at.connections;
  assert.equal(connection.isIdle, true);
  connection.goAway?.();
  await once(client, 'close');
  while (at.connections.size > 0) await new Promise((resolve) => setImmediate(resolve));
});
