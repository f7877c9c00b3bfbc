import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster } from '../model/cluster.ts';
import type { Listener } from '../model/listener.ts';
import { edgeListener } from '../model/listener.ts';
import type { DialectName, Origin } from '../model/origin.ts';
import type { Fragment } from '../model/snapshot.ts';
import { emptyFragment } from '../model/snapshot.ts';
import { join } from './join.ts';

function origin(dialect: DialectName, name: string): Origin {
  return { dialect, kind: 'Gateway', namespace: 'default', name, file: `${dialect}.yaml`, line: 3, column: 1 };
}

function listener(dialect: DialectName, address: string, port: number): Listener {
  const from = origin(dialect, `gw-${port}`);
  return {
    name: `${address}:${port}`,
    kind: 'gateway',
    address,
    port,
    protocol: 'http',
    dialect,
    origin: from,
    ...edgeListener,
    virtualHosts: [{ name: '*', domains: ['*'], origin: from, filters: [], matches: [{ route: 0, index: 0, match: {}, rankReason: '' }] }],
    filters: [],
    pending: [],
  };
}

function fragment(dialect: DialectName, ...listeners: readonly Listener[]): Fragment {
  const from = origin(dialect, 'r');
  return {
    ...emptyFragment,
    listeners,
    routes: [
      {
        id: `${dialect}/r`,
        name: dialect,
        rule: 0,
        origin: from,
        action: { kind: 'blocked', status: 503, reason: '' },
        filters: [],
        pending: [],
      },
    ],
    status: listeners.map((l) => ({
      kind: 'Gateway',
      namespace: 'default',
      name: l.origin.name,
      origin: from,
      quarantined: false,
      conditions: [],
      parents: [],
      listeners: [
        {
          name: 'http',
          listener: l.name,
          attachedRoutes: 1,
          supportedKinds: [],
          conditions: [{ type: 'Programmed', status: 'True', reason: 'Programmed', message: '' }],
        },
      ],
    })),
  };
}

function cluster(name: string, declared: boolean): Cluster {
  return {
    name,
    discovery: 'static',
    endpoints: [],
    balancer: { policy: 'random' },
    connectTimeoutMs: 1,
    service: name,
    serviceNamespace: null,
    transport: 'plaintext',
    declared,
    origin: origin('istio', name),
    pending: [],
  };
}

test('routes of later fragments are shifted', () => {
  const { snapshot } = join([fragment('istio', listener('istio', '::', 80)), fragment('gateway-api', listener('gateway-api', '::', 81))]);
  assert.deepEqual(
    snapshot.listeners.map((l) => snapshot.routes[l.virtualHosts[0].matches[0].route].name),
    ['istio', 'gateway-api'],
  );
});

test('a cluster that a dialect knows wins over one that another only names', () => {
  const { snapshot } = join([
    { ...emptyFragment, clusters: [cluster('a', false), cluster('b', true)] },
    { ...emptyFragment, clusters: [cluster('a', true), cluster('b', false)] },
  ]);
  assert.deepEqual(
    snapshot.clusters.map(({ name, declared }) => [name, declared]),
    [
      ['a', true],
      ['b', true],
    ],
  );
});

const clashes: readonly {
  readonly name: string;
  readonly first: string;
  readonly second: string;
  readonly port: number;
  readonly clash: boolean;
}[] = [
  { name: 'the same address and port', first: '::', second: '::', port: 80, clash: true },
  { name: 'a wildcard before a specific address', first: '::', second: '10.0.0.1', port: 80, clash: true },
  { name: 'a specific address before a wildcard', first: '10.0.0.1', second: '0.0.0.0', port: 80, clash: true },
  { name: 'two specific addresses', first: '10.0.0.1', second: '10.0.0.2', port: 80, clash: false },
  { name: 'another port', first: '::', second: '::', port: 81, clash: false },
];
for (const { name, first, second, port, clash } of clashes) {
  test(`two dialects on ${name}: ${clash ? 'Conflicted' : 'both serve'}`, () => {
    const { snapshot, diagnostics } = join([
      fragment('istio', listener('istio', first, 80)),
      fragment('gateway-api', listener('gateway-api', second, port)),
    ]);
    assert.equal(snapshot.listeners.length, clash ? 1 : 2);
    assert.deepEqual(
      diagnostics.map(({ code }) => code),
      clash ? ['WR0601'] : [],
    );
    if (!clash) return;
    assert.match(diagnostics[0].message, /Conflicted.*gateway-api Gateway default\/gw-80.*istio Gateway default\/gw-80/);
    const [, lost] = snapshot.status;
    assert.equal(lost.listeners[0].listener, null);
    assert.deepEqual(
      lost.listeners[0].conditions.map(({ type, status }) => `${type}=${status}`),
      ['Accepted=False', 'Programmed=False', 'Conflicted=True'],
    );
  });
}

test("Kong's own port yields to a listener that was asked for", () => {
  const { snapshot, diagnostics } = join([
    fragment('istio', listener('istio', '::', 8000)),
    fragment('kong', listener('kong', '::', 8000)),
  ]);
  assert.deepEqual(
    snapshot.listeners.map(({ dialect }) => dialect),
    ['istio'],
  );
  assert.equal(diagnostics[0].code, 'WR0602');
});

test('UDP has ports of its own; TLS of two dialects on one port still clashes', () => {
  const udp = { ...listener('kong', '0.0.0.0', 443), name: '0.0.0.0:443/udp', protocol: 'udp' as const };
  const tls = { ...listener('gateway-api', '0.0.0.0', 443), chains: [] };
  const { snapshot, diagnostics } = join([
    fragment('gateway-api', tls),
    fragment('kong', udp, { ...listener('kong', '::', 443), chains: [] }),
  ]);
  assert.deepEqual(
    snapshot.listeners.map(({ name }) => name),
    ['0.0.0.0:443', '0.0.0.0:443/udp'],
  );
  assert.deepEqual(
    diagnostics.map(({ code }) => code),
    ['WR0602'],
  );
});
