import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Log } from '../log.ts';
import { emptyState } from '../state.ts';
import { MetricsAggregator } from '../../telemetry/aggregate.ts';
import type { AdminSource } from './endpoints.ts';
import { startAdmin } from './server.ts';

const hostile = '<script>alert("x")</script>';

async function admin(t: TestContext, overrides: Partial<AdminSource> = {}, token: string | null = null) {
  const did: string[] = [];
  const log = new Log('text', () => {});
  const source: AdminSource = {
    version: '0.0.0',
    log,
    state: () => ({
      ...emptyState,
      revision: 3,
      diagnostics: [{ code: 'WR0101', severity: 'error', message: hostile, file: hostile, line: 1, column: 1, resource: null, docs: '' }],
    }),
    ready: () => true,
    workersReady: () => 2,
    describe: () =>
      Promise.resolve([
        [{ name: hostile, endpoints: [{ address: '::1', port: 80, weight: 1, active: 1, idle: 2, connectFailures: 0, requests: 7 }] }],
        [{ name: hostile, endpoints: [{ address: '::1', port: 80, weight: 1, active: 0, idle: 1, connectFailures: 3, requests: 1 }] }],
      ]),
    metrics: new MetricsAggregator(),
    ask: (question) =>
      Promise.resolve({
        status: 200,
        text: question.type === 'routes' ? JSON.stringify([{ name: hostile }]) : JSON.stringify({ asked: question }),
      }),
    drain: () => did.push('drain'),
    quit: () => did.push('quit'),
    ...overrides,
  };
  const server = await startAdmin(source, { address: '127.0.0.1', port: 0, token });
  t.after(() => server.close());
  const call = async (method: string, path: string, body = '', headers: Record<string, string> = {}) => {
    const request = httpRequest({ host: '127.0.0.1', port: server.port, method, path, headers });
    request.end(body);
    const [response] = await once(request, 'response');
    let text = '';
    for await (const chunk of response) text += String(chunk);
    return { status: Number(response.statusCode), headers: response.headers, text };
  };
  return { call, did, log };
}

test('changes take POST only, and happen', async (t) => {
  const { call, did } = await admin(t);
  for (const path of ['/quitquitquit', '/drain_listeners', '/logging']) {
    const refused = await call('GET', path);
    assert.equal(refused.status, 405, path);
    assert.equal(refused.headers.allow, 'POST');
  }
  assert.deepEqual(did, []);
  assert.equal((await call('POST', '/drain_listeners?graceful')).status, 200);
  assert.equal((await call('POST', '/quitquitquit')).status, 200);
  assert.deepEqual(did, ['drain', 'quit']);
  assert.equal((await call('DELETE', '/')).status, 405);
});

test('a page of another name or origin reaches nothing', async (t) => {
  const { call, did } = await admin(t);
  assert.equal((await call('POST', '/quitquitquit', '', { host: 'evil.example' })).status, 403);
  assert.equal((await call('POST', '/quitquitquit', '', { origin: 'http://evil.example' })).status, 403);
  assert.equal((await call('GET', '/config_dump', '', { host: 'evil.example' })).status, 403);
  assert.deepEqual(did, []);
});

test('with a token everything but probes asks for it', async (t) => {
  const { call } = await admin(t, {}, 's3cret');
  assert.equal((await call('GET', '/config_dump')).status, 401);
  assert.equal((await call('GET', '/healthz')).status, 200);
  assert.equal((await call('GET', '/config_dump', '', { authorization: 'Bearer s3cret' })).status, 200);
});

test('the first page escapes what it shows and allows no foreign script', async (t) => {
  const { call } = await admin(t);
  const { status, text, headers } = await call('GET', '/');
  assert.equal(status, 200);
  assert.ok(!text.includes(hostile));
  assert.ok(text.includes('&lt;script&gt;alert(&quot;x&quot;)'));
  const csp = String(headers['content-security-policy']);
  const nonce = /script-src 'nonce-([^']+)'/.exec(csp)?.[1] ?? '';
  assert.ok(nonce.length >= 22 && text.includes(`<script nonce="${nonce}">`));
  assert.notEqual((await call('GET', '/')).headers['content-security-policy'], csp);
});

test("Envoy's pages: clusters are summed over workers", async (t) => {
  const { call } = await admin(t);
  const json = JSON.parse((await call('GET', '/clusters?format=json')).text);
  assert.deepEqual(json.cluster_statuses[0].host_statuses[0].stats, [
    { name: 'cx_connect_fail', value: '3', type: 'COUNTER' },
    { name: 'rq_total', value: '8', type: 'COUNTER' },
    { name: 'cx_active', value: '4', type: 'GAUGE' },
    { name: 'rq_active', value: '1', type: 'GAUGE' },
  ]);
  assert.deepEqual(json.cluster_statuses[0].host_statuses[0].address, { socket_address: { address: '::1', port_value: 80 } });
  assert.match((await call('GET', '/clusters')).text, /::\[::1\]:80::rq_total::8\n/);
  assert.match((await call('GET', '/metrics')).text, /# TYPE/);
  assert.equal((await call('GET', '/nope')).status, 404);
  assert.equal((await call('HEAD', '/healthz')).text, '');
});

test("Envoy's pages: an endpoint that is a Unix socket is a pipe", async (t) => {
  const endpoint = { address: '/run/a.sock', port: 0, weight: 1, active: 0, idle: 0, connectFailures: 0, requests: 0 };
  const { call } = await admin(t, { describe: () => Promise.resolve([[{ name: 'a', endpoints: [endpoint] }]]) });
  const json = JSON.parse((await call('GET', '/clusters?format=json')).text);
  assert.deepEqual(json.cluster_statuses[0].host_statuses[0].address, { pipe: { path: '/run/a.sock' } });
});

test('readiness follows the gateway', async (t) => {
  const { call } = await admin(t, { ready: () => false });
  assert.equal((await call('GET', '/readyz')).status, 503);
  assert.equal((await call('GET', '/healthz')).status, 200);
});

test('the log level changes, a level that does not exist is refused', async (t) => {
  const { call, log } = await admin(t);
  assert.equal((await call('POST', '/logging?level=debug')).status, 200);
  assert.equal(log.level, 'debug');
  assert.equal((await call('POST', '/logging?level=loud')).status, 400);
  assert.equal(log.level, 'debug');
});

test('explain passes its body on, within a bound', async (t) => {
  const { call } = await admin(t);
  const answer = await call('POST', '/api/v1/explain', '{"url":"http://a/"}');
  assert.deepEqual(JSON.parse(answer.text), { asked: { type: 'explain', body: '{"url":"http://a/"}' } });
  assert.equal((await call('POST', '/api/v1/explain', 'x'.repeat(1024 * 1024 + 1))).status, 413);
});
