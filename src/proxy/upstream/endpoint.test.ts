import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clusterOf } from '../../../tests/support/rig.ts';
import { tlsCluster } from '../../../tests/support/upstream-tls.ts';
import { ClusterState } from './cluster-state.ts';
import { endpointAuthority, endpointKey } from './endpoint.ts';

describe('endpoint', () => {
  it('has a key and an authority', () => {
    const rows: readonly [
      address: string,
      port: number,
      hostname: string | undefined,
      defaultPort: number,
      key: string,
      authority: string,
    ][] = [
      ['10.0.0.1', 80, undefined, 80, '10.0.0.1:80', '10.0.0.1'],
      ['10.0.0.1', 443, undefined, 80, '10.0.0.1:443', '10.0.0.1:443'],
      ['10.0.0.1', 443, 'a.test', 443, '10.0.0.1:443', 'a.test'],
      ['10.0.0.1', 80, 'a.test', 443, '10.0.0.1:80', 'a.test:80'],
      ['::1', 443, undefined, 443, '[::1]:443', '[::1]'],
      ['/run/a:1.sock', 0, undefined, 80, '/run/a:1.sock', 'localhost'],
      ['@abstract', 0, 'a.test', 443, '@abstract', 'a.test'],
    ];
    for (const [address, port, hostname, defaultPort, key, authority] of rows) {
      assert.equal(endpointKey(address, port), key);
      assert.equal(endpointAuthority({ address, port, hostname }, defaultPort), authority);
    }
  });

  it('outlives a change of its transport, without its sessions and its back-off', () => {
    const cluster = new ClusterState(clusterOf('b', [443]));
    const [endpoint] = cluster.endpoints;
    assert.equal(endpoint.authority, '127.0.0.1:443');
    endpoint.onConnectFailure(1000);
    cluster.configure(clusterOf('b', [443], { connectTimeoutMs: 5 }));
    assert.ok(endpoint.isAvoided(1001));
    cluster.configure(tlsCluster([443], { verify: false, ca: null }));
    assert.equal(cluster.endpoints[0], endpoint);
    assert.equal(endpoint.transport, cluster.transport);
    assert.equal(endpoint.authority, '127.0.0.1');
    assert.ok(!endpoint.isAvoided(1001), 'what failed before says nothing of what is new');
    endpoint.sessions.give('a', Buffer.from('x'), false);
    cluster.configure(tlsCluster([443], { verify: false, ca: null }, { connectTimeoutMs: 9 }));
    assert.equal(endpoint.sessions.size, 1);
    cluster.configure(tlsCluster([443], { verify: false, ca: null, sni: 'x' }));
    assert.equal(endpoint.sessions.size, 0);
  });
});
