/** Text of a configuration that a message has no place for: `č` is U+010D, whose last byte is a CR, as that of `Ċ` is a LF. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Route, RouteAction } from '../../src/model/route.ts';
import { hello } from '../support/proxied.ts';
import { answering, exchange, RawBackend } from '../support/raw.ts';
import { clusterOf, Rig, routeTo, snapshotOf } from '../support/rig.ts';

const request = 'GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';
const text = '\u010daj\u010aX-Made: up';

async function start(t: TestContext, change: (forward: Extract<RouteAction, { readonly kind: 'forward' }>) => RouteAction): Promise<Sides> {
  const backend = await RawBackend.start(answering(() => hello));
  const route: Route = routeTo('b');
  assert.ok(route.action.kind === 'forward');
  const action = change(route.action);
  const rig = await Rig.start((port) => snapshotOf(port, [{ ...route, action }], [clusterOf('b', [backend.port])]));
  t.after(async () => {
    await rig.close();
    backend.close();
  });
  return { rig, backend };
}

interface Sides {
  readonly rig: Rig;
  readonly backend: RawBackend;
}

/** What the client and the backend got. */
async function both({ rig, backend }: Sides): Promise<{ readonly client: string; readonly upstream: string }> {
  const client = await exchange(rig.port, request);
  const upstream = backend.connections.length === 0 ? '' : backend.connections[0].received;
  for (const message of [client, upstream]) {
    const head = message.slice(0, message.indexOf('\r\n\r\n'));
    assert.doesNotMatch(head.replaceAll('\r\n', ''), /[\r\n]/, 'no line end but its own');
    assert.doesNotMatch(head, /\r\nX-Made/);
  }
  return { client, upstream };
}

await test('a path goes to the upstream with escapes', async (t) => {
  const { upstream } = await both(
    await start(t, (forward) => ({ ...forward, pathRewrite: { kind: 'full', path: `/${text} HTTP/1.1\r\nX-Made: up` } })),
  );
  assert.ok(upstream.startsWith('GET /%C4%8Daj%C4%8AX-Made:%20up%20HTTP/1.1%0D%0AX-Made:%20up HTTP/1.1\r\n'), upstream);
});

await test('a name beyond ASCII goes to the upstream in its ASCII form, and what is no name not at all', async (t) => {
  const named = await both(await start(t, (forward) => ({ ...forward, hostRewrite: { kind: 'literal', value: '\u010daj.test:81' } })));
  assert.match(named.upstream, /\r\nhost: xn--aj-dma\.test:81\r\n/);
  const unnamed = await both(await start(t, (forward) => ({ ...forward, hostRewrite: { kind: 'literal', value: text } })));
  assert.match(unnamed.upstream, /\r\nhost: \r\n/);
});

await test('a redirect has one Location', async (t) => {
  const redirect = { kind: 'redirect', status: 302, host: '\u010daj.test', path: { kind: 'full', path: `/${text}#part` } } as const;
  const { client } = await both(await start(t, () => redirect));
  assert.match(client, /\r\nlocation: http:\/\/xn--aj-dma\.test\/%C4%8Daj%C4%8AX-Made:%20up#part\r\n/);
});

const direct: RouteAction = {
  kind: 'direct-response',
  status: 200,
  headers: [
    ['x-a', text],
    ['x-b', 'a\u0001b'],
  ],
  body: 'x',
};

await test('a header of an answer of our own is UTF-8, and is left out when it has control characters', async (t) => {
  const { client } = await both(await start(t, () => direct));
  assert.ok(client.includes(`\r\nx-a: ${Buffer.from(text).toString('latin1')}\r\n`), client);
  assert.doesNotMatch(client, /x-b/);
});
