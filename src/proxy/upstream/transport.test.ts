import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Cluster } from '../../model/cluster.ts';
import type { Secret } from '../../model/tls.ts';
import { secretOf } from '../../../tests/support/pki.ts';
import { clusterOf } from '../../../tests/support/rig.ts';
import { tlsCluster } from '../../../tests/support/upstream-tls.ts';
import { noSecrets, Secrets } from './tls/secrets.ts';
import { type ClientEnds, hostOf, plaintext, purposeOf, serverNameOf, type Transport, transportOf } from './transport.ts';

const client: ClientEnds = { remoteAddress: '10.0.0.1', remotePort: 4000, localAddress: '10.0.0.9', localPort: 80 };

function of(cluster: Cluster, secrets: readonly Secret[] = [], before: Transport = plaintext): Transport {
  return transportOf(cluster, new Secrets((name) => secrets.find((secret) => secret.name === name) ?? null), before);
}

describe('transport', () => {
  it('reads host and server name from an authority', () => {
    const rows: readonly [authority: string, host: string, serverName: string][] = [
      ['a.test', 'a.test', 'a.test'],
      ['A.Test:8443', 'a.test', 'a.test'],
      ['a.test.', 'a.test', 'a.test'],
      ['a.test.:443', 'a.test', 'a.test'],
      ['10.0.0.1:443', '10.0.0.1', ''],
      ['[2001:db8::1]:443', '2001:db8::1', ''],
      ['2001:db8::1', '2001:db8::1', ''],
      ['', '', ''],
      [':443', '', ''],
      ['a b', 'a b', ''],
      ['[', '[', ''],
      ['a'.repeat(256), 'a'.repeat(256), ''],
      ['*.a.test', '*.a.test', ''],
    ];
    for (const [authority, host, serverName] of rows) {
      assert.equal(hostOf(authority), host, authority);
      assert.equal(serverNameOf(hostOf(authority)), serverName, authority);
    }
  });

  it('of plain text without a PROXY header is one object', () => {
    assert.equal(of(clusterOf('a', [1])), plaintext);
    const proxied = of(clusterOf('a', [1], { proxyProtocol: 'v2' }));
    assert.deepEqual([proxied.isShared, proxied.proxyProtocol, proxied.tls], [false, 'v2', null]);
    assert.equal(of(clusterOf('b', [2], { proxyProtocol: 'v2' }), [], proxied), proxied);
    assert.notEqual(of(clusterOf('b', [2], { proxyProtocol: 'v1' }), [], proxied), proxied);
  });

  it('stays the same object until something of it changes', () => {
    const base = { verify: false, ca: null } as const;
    const first = of(tlsCluster([1], base));
    assert.equal(first.failure, null);
    assert.equal(of(tlsCluster([1], base, { connectTimeoutMs: 7, endpoints: [] }), [], first), first);
    const others: readonly Cluster[] = [
      tlsCluster([1], { ...base, sni: 'other.test' }),
      tlsCluster([1], { ...base, sni: null }),
      tlsCluster([1], { ...base, subjectAltNames: ['a'] }),
      tlsCluster([1], { ...base, minVersion: 'TLSv1.3' }),
      tlsCluster([1], { ...base, cipherSuites: ['ECDHE-RSA-AES128-GCM-SHA256'] }),
      tlsCluster([1], { verify: true, ca: null }),
      tlsCluster([1], base, { protocol: 'http2' }),
      tlsCluster([1], base, { proxyProtocol: 'v1' }),
      clusterOf('b', [1]),
    ];
    for (const other of others) assert.notEqual(of(other, [], first), first, JSON.stringify(other));
    const [context] = [first.tls?.context];
    assert.equal(of(tlsCluster([1], { ...base, sni: 'other.test' }), [], first).tls?.context, context, 'what is the same is shared');
  });

  it('offers what the cluster speaks', () => {
    const offered = (protocol: Cluster['protocol']): unknown =>
      of(tlsCluster([1], { verify: false, ca: null }, protocol === undefined ? {} : { protocol })).tls?.alpn;
    assert.deepEqual(offered(undefined), ['http/1.1']);
    assert.deepEqual(offered('http1'), ['http/1.1']);
    assert.deepEqual(offered('http2'), ['h2']);
    assert.deepEqual(offered('alpn'), ['h2', 'http/1.1']);
  });

  it('without its secrets fails, and is tried again with every revision', () => {
    const cluster = tlsCluster([1], { verify: false, ca: null, certificate: 'own' });
    const failed = of(cluster, [secretOf('own', {})]);
    assert.equal(failed.failure, 'no_certificate_in_secret:own');
    assert.equal(failed.tls, null);
    assert.equal(transportOf(cluster, noSecrets, failed).failure, 'no_secret:own');
  });

  it('tells purposes apart by name and by client, where they matter', () => {
    const key = (cluster: Cluster, authority: string, ends: ClientEnds | null = client): string =>
      purposeOf(of(cluster), authority, ends).key;
    const plain = clusterOf('a', [1]);
    const named = tlsCluster([1], { verify: false, ca: null });
    const unnamed = tlsCluster([1], { verify: false, ca: null, sni: null });
    const proxied = clusterOf('a', [1], { proxyProtocol: 'v1' });
    assert.equal(key(plain, 'a.test'), '');
    assert.equal(key(named, 'a.test'), '');
    assert.equal(key(unnamed, 'A.test:443'), key(unnamed, 'a.test:8443'));
    assert.notEqual(key(unnamed, 'a.test'), key(unnamed, 'b.test'));
    assert.equal(key(proxied, 'a.test'), key(proxied, 'b.test'));
    assert.notEqual(key(proxied, ''), key(proxied, '', { ...client, remotePort: 4001 }));
    assert.notEqual(key(proxied, ''), key(proxied, '', { ...client, localPort: 81 }));
    assert.notEqual(key(proxied, ''), key(proxied, '', null));
  });
});
