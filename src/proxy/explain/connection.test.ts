import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConnectionChain, L4Destination } from '../../model/chain.ts';
import type { Listener } from '../../model/listener.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { defaultServerTls, type ServerTls } from '../../model/tls.ts';
import { forwardTo } from '../../../tests/support/layer4.ts';
import { pem } from '../../../tests/support/pem.ts';
import { clusterOf, origin, routeTo, snapshotOf } from '../../../tests/support/rig.ts';
import { explainerOf, type ExplainResult } from '../explain.ts';

const tls: ServerTls = { ...defaultServerTls, certificates: ['leaf'], alpn: [] };
const leaf = { name: 'leaf', certificate: pem('server.crt'), privateKey: pem('server.key'), ca: null, origin };

function chain(name: string, more: Partial<ConnectionChain> = {}): ConnectionChain {
  return { name, serverNames: [], sources: [], destinations: [], tls: null, forward: null, origin, ...more };
}

/** The listener is on 127.0.0.1:443; HTTP goes to cluster web. */
function world(chains: readonly ConnectionChain[], more: Partial<Listener> = {}): Snapshot {
  const clusters = [
    clusterOf('web', [80]),
    clusterOf('db', [5432, 5433]),
    clusterOf('empty', []),
    clusterOf('closed', [1], { blocked: 'its policy is broken' }),
    clusterOf('unix', [], { endpoints: [{ address: '/run/db.sock', port: 0, weight: 1, labels: {}, locality: '' }] }),
  ];
  return { ...snapshotOf(443, [routeTo('web')], clusters, { listener: { dialect: 'istio', chains, ...more } }), secrets: [leaf] };
}

function ask(snapshot: Snapshot, url: string, headers: readonly (readonly [string, string])[] = []): Promise<ExplainResult> {
  return explainerOf(snapshot).explain({ method: 'GET', url, headers });
}

interface Row {
  readonly name: string;
  readonly chains: readonly ConnectionChain[];
  readonly url: string;
  readonly listener?: Partial<Listener>;
  readonly outcome: ExplainResult['outcome'];
  readonly route?: string;
  readonly flags?: string;
  readonly reason?: RegExp;
}

const db = forwardTo(['db'], { route: 'to-db' });
const share = (cluster: string | null, weight: number): L4Destination => ({
  cluster,
  weight,
  host: cluster ?? 'nowhere',
  port: 5432,
  subset: null,
});

const rows: readonly Row[] = [
  {
    name: 'TCP to the one chain',
    chains: [chain('db', { forward: db })],
    url: 'tcp://127.0.0.1:443',
    outcome: 'forward',
    route: 'to-db',
    reason: /^to db as bytes by route 'to-db'$/,
  },
  {
    name: 'TLS by its name',
    chains: [
      chain('a', { serverNames: ['a.test'], forward: forwardTo(['web'], { route: 'to-a' }) }),
      chain('db', { serverNames: ['*.test'], forward: db }),
    ],
    url: 'tls://x.test:443',
    outcome: 'forward',
    route: 'to-db',
  },
  {
    name: 'https goes by the same chains: passed through',
    chains: [chain('db', { serverNames: ['*.test'], forward: db })],
    url: 'https://x.test/path',
    outcome: 'forward',
    route: 'to-db',
  },
  {
    name: 'TLS that ends here and is forwarded',
    chains: [chain('db', { tls, forward: db })],
    url: 'tls://db.test',
    outcome: 'forward',
    route: 'to-db',
    reason: /as bytes, decrypted by route/,
  },
  {
    name: 'a name that no chain is for',
    chains: [chain('db', { serverNames: ['b.test'], forward: db })],
    url: 'tls://a.test:443',
    outcome: 'not-found',
    flags: 'NR',
    reason: /no chain of the listener takes this connection for server name 'a\.test'/,
  },
  {
    name: 'an address is no name',
    chains: [chain('db', { serverNames: ['127.0.0.1'], forward: db })],
    url: 'tls://127.0.0.1:443',
    outcome: 'not-found',
    flags: 'NR',
  },
  {
    name: 'TCP where only TLS is taken',
    chains: [chain('db', { tls, forward: db })],
    url: 'tcp://127.0.0.1:443',
    outcome: 'not-found',
    flags: 'NR',
  },
  { name: 'http where only TLS is taken', chains: [chain('https', { tls })], url: 'http://a.test:443/', outcome: 'not-found', flags: 'NR' },
  { name: 'https where TLS ends', chains: [chain('https', { tls })], url: 'https://a.test/', outcome: 'forward', route: 'to-web' },
  { name: 'https at a listener without TLS', chains: [], url: 'https://a.test/', outcome: 'error', flags: 'NR', reason: /speaks no TLS/ },
  {
    name: 'tcp at a listener of HTTP',
    chains: [chain('http')],
    url: 'tcp://a.test:443',
    outcome: 'error',
    reason: /speaks HTTP: ask for http:/,
  },
  { name: 'a request on bytes', chains: [chain('db', { forward: db })], url: 'http://a.test:443/', outcome: 'forward', route: 'to-db' },
  {
    name: 'detection: a request goes to HTTP',
    chains: [chain('db', { forward: db }), chain('http')],
    listener: { detectTimeoutMs: 100 },
    url: 'http://a.test:443/',
    outcome: 'forward',
    route: 'to-web',
  },
  {
    name: 'detection: anything else goes on as bytes',
    chains: [chain('http'), chain('db', { forward: db })],
    listener: { detectTimeoutMs: 100 },
    url: 'tcp://a.test:443',
    outcome: 'forward',
    route: 'to-db',
  },
  {
    name: 'UDP finds no TCP listener',
    chains: [chain('db', { forward: db })],
    url: 'udp://127.0.0.1:443',
    outcome: 'error',
    reason: /nothing listens on port 443/,
  },
  {
    name: 'UDP',
    chains: [chain('db', { forward: db })],
    listener: { protocol: 'udp' },
    url: 'udp://127.0.0.1:443',
    outcome: 'forward',
    route: 'to-db',
  },
  { name: 'no port', chains: [chain('db', { forward: db })], url: 'tcp://a.test', outcome: 'error', reason: /names no port/ },
  {
    name: 'a path',
    chains: [chain('db', { forward: db })],
    url: 'tcp://a.test:443/x',
    outcome: 'error',
    reason: /not of the form tcp:\/\/host:port/,
  },
  {
    name: 'a blocked route',
    chains: [chain('db', { forward: { ...db, blocked: 'why' } })],
    url: 'tcp://a.test:443',
    outcome: 'error',
    route: 'to-db',
    flags: 'UAEX',
    reason: /closed: why; the connection is closed/,
  },
  {
    name: 'no endpoint',
    chains: [chain('e', { forward: forwardTo(['empty']) })],
    url: 'tcp://a.test:443',
    outcome: 'error',
    route: 'l4',
    flags: 'UH',
  },
  {
    name: 'a blocked cluster',
    chains: [chain('c', { forward: forwardTo(['closed']) })],
    url: 'tcp://a.test:443',
    outcome: 'error',
    route: 'l4',
    flags: 'UAEX',
    reason: /its policy is broken/,
  },
  {
    name: 'no such cluster',
    chains: [chain('c', { forward: forwardTo(['gone']) })],
    url: 'tcp://a.test:443',
    outcome: 'error',
    route: 'l4',
    flags: 'NC',
  },
  {
    name: 'an invalid backend',
    chains: [chain('c', { forward: forwardTo([null]) })],
    url: 'tcp://a.test:443',
    outcome: 'error',
    route: 'l4',
    flags: 'NC',
  },
  {
    name: 'no weight',
    chains: [chain('c', { forward: forwardTo([], { destinations: [share('db', 0)] }) })],
    url: 'tcp://a.test:443',
    outcome: 'error',
    route: 'l4',
    flags: 'NC',
  },
];

describe('explain, connections', () => {
  for (const row of rows) {
    it(row.name, async () => {
      const result = await ask(world(row.chains, row.listener), row.url);
      assert.equal(result.outcome, row.outcome, result.reason);
      assert.equal(result.route?.name ?? undefined, row.route);
      assert.equal(result.flags.join(','), row.flags ?? '');
      if (row.reason !== undefined) assert.match(result.reason, row.reason);
      if (row.chains.length > 0 && row.outcome !== 'error' && row.route !== 'to-web')
        assert.equal(result.candidates.length, row.chains.length);
    });
  }

  it('shows destinations with their shares, what closes one of them, and the bound of the route', async () => {
    const forward = forwardTo([], {
      route: 'mix',
      destinations: [share('db', 3), share('closed', 1), share('unix', 0)],
      maxConnections: 7,
    });
    const result = await ask(world([chain('mix', { forward })]), 'tcp://127.0.0.1:443');
    assert.equal(result.status, null);
    assert.equal(result.reason, "to db:5432 (75 %), closed:5432 (25 %) as bytes by route 'mix'");
    assert.deepEqual(
      result.destinations.map(({ cluster, weight, endpoints, status }) => [
        cluster,
        weight,
        endpoints.map(({ address }) => address),
        status,
      ]),
      [
        ['db', 3, ['127.0.0.1:5432', '127.0.0.1:5433'], undefined],
        ['closed', 1, ['127.0.0.1:1'], 0],
        ['unix', 0, ['/run/db.sock'], undefined],
      ],
    );
    assert.deepEqual(result.conditions, [
      'the share of closed is closed (UAEX): its policy is broken',
      'closed with UO while 7 others are open',
    ]);
  });

  it('says why each chain lost', async () => {
    const chains = [
      chain('other', { serverNames: ['b.test'], forward: db }),
      chain('inside', { sources: ['10.0.0.0/8'], forward: db }),
      chain('taken', { serverNames: ['*.test'], forward: db }),
      chain('late', { forward: db }),
    ];
    const result = await ask(world(chains), 'tls://a.test:443');
    assert.deepEqual(
      result.candidates.map(({ virtualHost, matched, because }) => [virtualHost, matched, because]),
      [
        ['other', false, "SNI: 'a.test' is not b.test"],
        ['inside', false, 'source: 127.0.0.1 port 40000 is not in 10.0.0.0/8'],
        ['taken', true, 'first whose conditions hold: SNI *.test'],
        ['late', false, "its conditions hold too, but 'taken' stands before it"],
      ],
    );
    assert.match(result.conditions[0], /for certain sources/);
  });

  it('a virtual host that the connection may not reach is 421', async () => {
    const result = await ask(world([chain('https', { tls, virtualHosts: ['other'] })]), 'https://a.test/');
    assert.equal(result.status, 421);
    const same = await ask(world([chain('https', { tls, virtualHosts: ['all'] })]), 'https://a.test/');
    assert.equal(same.outcome, 'forward');
  });

  it('a Host that the certificate is not for is 421', async () => {
    const result = await ask(world([chain('https', { tls })]), 'https://a.test/', [['host', 'b.test']]);
    assert.equal(result.status, 421, result.reason);
  });

  it('a chain without a usable certificate, or without its authorities, takes no handshake', async () => {
    const rows = [
      [{ certificates: ['gone'] }, 'the listener has no usable certificate: the handshake fails'],
      [{ clientCertificate: 'require', ca: 'gone' }, 'the authorities for client certificates are missing: the handshake fails'],
    ] as const;
    for (const [more, reason] of rows)
      for (const url of ['https://a.test/', 'tls://a.test']) {
        const { outcome, status, flags, reason: why } = await ask(world([chain('https', { tls: { ...tls, ...more } })]), url);
        assert.deepEqual([outcome, status, flags, why], ['error', null, ['DPE'], reason]);
      }
  });

  it('a PROXY header that must be there is a condition', async () => {
    const conditions = async (more: Partial<Listener>): Promise<readonly string[]> =>
      (await ask(world([], more), 'http://a.test:443/')).conditions;
    assert.deepEqual(await conditions({ proxyProtocol: 'required' }), [
      'the connection is closed unless a PROXY header stands before everything else',
    ]);
    assert.deepEqual(await conditions({ proxyProtocol: 'optional' }), []);
  });

  it('what a handshake asks of the client is a condition', async () => {
    const asks = async (more: Partial<ServerTls>): Promise<readonly string[]> =>
      (await ask(world([chain('https', { tls: { ...tls, ...more } })]), 'https://a.test/')).conditions;
    const names = { clientCertificate: 'require', subjectAltNames: ['spiffe://a', 'spiffe://b'] } as const;
    assert.deepEqual(await asks(names), ['the handshake fails unless the client shows a trusted certificate for spiffe://a or spiffe://b']);
    assert.deepEqual(await asks({ clientCertificate: 'require', certificateHashes: ['ab'] }), [
      'the handshake fails unless the client shows a trusted certificate, one of those that are pinned',
    ]);
    assert.deepEqual(await asks({ clientCertificate: 'optional' }), []);
  });
});
