import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ConnectionChain, L4Forward } from '../model/chain.ts';
import type { Origin } from '../model/origin.ts';
import { defaultServerTls, type ServerTls } from '../model/tls.ts';
import { AddressSet, parseNetwork } from './addresses.ts';
import { ChainTable, type ConnectionView } from './chain.ts';

const origin: Origin = { dialect: 'weir', kind: 'Test', namespace: null, name: 'test', file: 'test.yaml', line: 1, column: 1 };
const forward: L4Forward = { route: 'r', destinations: [], idleTimeoutMs: 0, maxConnections: 0, origin, pending: [] };
const tls: ServerTls = { ...defaultServerTls, certificates: ['c'], alpn: [] };

function chain(name: string, more: Partial<ConnectionChain> = {}): ConnectionChain {
  return { name, serverNames: [], sources: [], destinations: [], tls: null, forward: null, origin, ...more };
}

function view(more: Partial<ConnectionView> = {}): ConnectionView {
  return {
    remoteAddress: '192.0.2.7',
    remotePort: 40_000,
    localAddress: '198.51.100.1',
    localPort: 443,
    begins: 'tls',
    serverName: 'a.example.com',
    ...more,
  };
}

interface Row {
  readonly name: string;
  readonly chains: readonly ConnectionChain[];
  readonly view?: Partial<ConnectionView>;
  readonly detects?: boolean;
  readonly want: string | null;
  /** Of each chain, in their order. */
  readonly because?: readonly string[];
}

const rows: readonly Row[] = [
  { name: 'no chain at all', chains: [], want: null },
  {
    name: 'an exact name',
    chains: [chain('b', { serverNames: ['b.example.com'], tls }), chain('a', { serverNames: ['a.example.com'], tls })],
    want: 'a',
    because: ["SNI: 'a.example.com' is not b.example.com", 'first whose conditions hold: SNI a.example.com'],
  },
  {
    name: 'a name whose end is open',
    chains: [chain('short', { serverNames: ['a.*'], tls }), chain('open', { serverNames: ['*'], tls })],
    want: 'short',
    because: ['first whose conditions hold: SNI a.*', "its conditions hold too, but 'short' stands before it"],
  },
  {
    name: 'a name whose end is open has an end',
    view: { serverName: 'a.' },
    chains: [chain('short', { serverNames: ['a.*'], tls })],
    want: null,
  },
  {
    name: 'the order of the list decides, not how precise a name is',
    chains: [chain('wild', { serverNames: ['*.example.com'], tls }), chain('exact', { serverNames: ['a.example.com'], tls })],
    want: 'wild',
    because: ['first whose conditions hold: SNI *.example.com', "its conditions hold too, but 'wild' stands before it"],
  },
  { name: 'a wildcard stands for several labels', chains: [chain('w', { serverNames: ['*.com'], tls })], want: 'w' },
  {
    name: 'a wildcard does not stand for nothing',
    chains: [chain('w', { serverNames: ['*.example.com'], tls })],
    view: { serverName: 'example.com' },
    want: null,
  },
  {
    name: 'a name is wanted and none is sent',
    chains: [chain('a', { serverNames: ['a.example.com'], tls })],
    view: { serverName: '' },
    want: null,
    because: ['the client names no server (SNI); this is for a.example.com'],
  },
  { name: 'any name, or none', chains: [chain('any', { serverNames: ['*'], forward })], view: { serverName: '' }, want: 'any' },
  {
    name: 'a name can hold for TLS alone',
    chains: [chain('a', { serverNames: ['a.example.com'], forward }), chain('rest', { forward })],
    view: { begins: 'plain', serverName: '' },
    want: 'rest',
    because: ['only for TLS', 'it has no condition'],
  },
  { name: 'layer 4 without names takes TLS too', chains: [chain('tcp', { forward })], want: 'tcp' },
  {
    name: 'plain HTTP takes no TLS',
    chains: [chain('http')],
    want: null,
    because: ['only for connections without TLS'],
  },
  {
    name: 'TLS that ends here takes nothing else',
    chains: [chain('https', { tls }), chain('http')],
    view: { begins: 'plain', serverName: '' },
    want: 'http',
  },
  {
    name: 'a source',
    chains: [chain('inside', { sources: ['10.0.0.0/8'], forward }), chain('host', { sources: ['192.0.2.7#40000'], forward })],
    view: { begins: 'plain' },
    want: 'host',
    because: ['source: 192.0.2.7 port 40000 is not in 10.0.0.0/8', 'first whose conditions hold: source 192.0.2.7#40000'],
  },
  {
    name: 'a destination by port',
    chains: [chain('other', { destinations: ['#444'], forward }), chain('this', { destinations: ['198.51.100.0/24#443'], forward })],
    view: { begins: 'plain' },
    want: 'this',
    because: ['destination: 198.51.100.1 port 443 is not in #444', 'first whose conditions hold: destination 198.51.100.0/24#443'],
  },
  {
    name: 'IPv4 on a socket for both',
    chains: [chain('v4', { sources: ['192.0.2.0/24'], forward })],
    view: { begins: 'plain', remoteAddress: '::ffff:192.0.2.9' },
    want: 'v4',
  },
  {
    name: 'detection: HTTP goes to the chain that speaks it',
    chains: [chain('tcp', { forward }), chain('http')],
    view: { begins: 'http', serverName: '' },
    detects: true,
    want: 'http',
    because: ["the connection begins as HTTP, which 'http' speaks", 'it has no condition'],
  },
  {
    name: 'detection: anything else goes to layer 4',
    chains: [chain('http'), chain('tcp', { forward })],
    view: { begins: 'other', serverName: '' },
    detects: true,
    want: 'tcp',
    because: ["the connection does not begin as HTTP; 'tcp' takes it", 'it has no condition'],
  },
  {
    name: 'detection: HTTP without a chain for it goes on as bytes',
    chains: [chain('tcp', { forward })],
    view: { begins: 'http', serverName: '' },
    detects: true,
    want: 'tcp',
  },
];

describe('ChainTable', () => {
  for (const row of rows) {
    it(row.name, () => {
      const table = new ChainTable(row.chains, row.detects ?? false);
      const at = view(row.view);
      assert.equal(table.choose(at)?.name ?? null, row.want);
      const reasons = table.explain(at);
      assert.deepEqual(
        reasons.filter(({ matched }) => matched).map(({ chain: { name } }) => name),
        row.want === null ? [] : [row.want],
      );
      if (row.because !== undefined)
        assert.deepEqual(
          reasons.map(({ because }) => because),
          row.because,
        );
    });
  }

  const names = fc.constantFrom('a.example.com', '*.example.com', '*.com', 'a.*', 'b.org', '*');
  const networks = fc.constantFrom('10.0.0.0/8', '192.0.2.0/24', '#443', '198.51.100.1#443', '::1');
  const anyChain = fc
    .record({
      serverNames: fc.array(names, { maxLength: 2 }),
      sources: fc.array(networks, { maxLength: 1 }),
      destinations: fc.array(networks, { maxLength: 1 }),
      isTls: fc.constantFrom(undefined, undefined, true, false),
      tls: fc.constantFrom(null, tls),
      forward: fc.constantFrom(null, forward),
    })
    .map(({ isTls, ...rest }) => chain('', { ...rest, ...(isTls === undefined ? {} : { isTls }) }));
  const anyChains = fc.array(anyChain, { maxLength: 5 }).map((list) => list.map((one, i) => ({ ...one, name: String(i) })));
  const anyView = fc.record({
    remoteAddress: fc.constantFrom('10.1.2.3', '192.0.2.7', '::1', '::ffff:10.9.9.9'),
    remotePort: fc.constantFrom(443, 40_000),
    localAddress: fc.constantFrom('198.51.100.1', '::1'),
    localPort: fc.constantFrom(443, 80),
  });

  it('finds what reading all chains in their order finds', () => {
    fc.assert(
      fc.property(anyChains, anyView, fc.constantFrom('a.example.com', 'x.y.com', 'b.org', ''), (chains, at, serverName) => {
        const table = new ChainTable(chains, false);
        for (const begins of ['tls', 'plain'] as const) {
          const seen = { ...at, begins, serverName: begins === 'tls' ? serverName : '' };
          const chosen = table.choose(seen);
          const first = table.explain(seen).find(({ because }) => !/^(only for|SNI:|the client names|source:|destination:)/.test(because));
          assert.equal(chosen, first?.chain ?? null);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('decides early only where no first byte could change it', () => {
    let early = 0;
    fc.assert(
      fc.property(anyChains, anyView, fc.boolean(), (chains, at, detects) => {
        const table = new ChainTable(chains, detects);
        const chosen = table.early(at);
        if (chosen === 'look') return;
        early++;
        for (const begins of ['tls', detects ? 'http' : 'plain', detects ? 'other' : 'plain'] as const) {
          for (const serverName of begins === 'tls' ? ['a.example.com', ''] : ['']) {
            const later = table.choose({ ...at, begins, serverName });
            // Null: the chosen chain's own protocol turns such a connection away.
            if (later !== null) assert.equal(later, chosen);
            else if (chosen !== null) assert.ok(chosen.tls !== null || chosen.forward === null);
          }
        }
      }),
      { numRuns: 1000 },
    );
    assert.ok(early > 100);
  });

  it('needs no look where one chain ends TLS, or one passes bytes on', () => {
    const addresses = view();
    assert.equal(new ChainTable([chain('https', { tls })], false).early(addresses) instanceof Object, true);
    assert.equal(new ChainTable([chain('https', { tls, isTls: true })], false).early(addresses) === 'look', false);
    assert.equal(new ChainTable([chain('tcp', { forward }), chain('http')], false).early(addresses) === 'look', false);
    assert.equal(new ChainTable([chain('tls', { forward, isTls: true })], false).early(addresses), 'look');
    assert.equal(new ChainTable([chain('https', { tls }), chain('http')], false).early(addresses), 'look');
    assert.equal(new ChainTable([chain('tcp', { forward }), chain('http')], true).early(addresses), 'look');
    assert.equal(new ChainTable([chain('x', { forward, sources: ['10.0.0.0/8'] })], false).early(addresses), null);
  });
});

describe('addresses', () => {
  for (const text of ['', '/8', '10.0.0.0/33', '::/129', '10.0.0', '1.2.3.4#0', '1.2.3.4#70000', '#', 'name', '/8#1'])
    it(`'${text}' is none and holds for nothing`, () => {
      assert.equal(parseNetwork(text), null);
      assert.equal(new AddressSet([text]).holds('10.0.0.1', 1), false);
    });
  it('no condition holds for everything', () => assert.equal(new AddressSet([]).holds('not an address', 0), true));
  it('a port alone holds for any address', () => assert.equal(new AddressSet(['#5']).holds('::1', 5), true));
  it('a network may have several ports and lists may mix families', () => {
    const set = new AddressSet(['10.0.0.0/8#1', '10.0.0.0/8#2', 'fd00::/8']);
    assert.deepEqual(
      [set.holds('10.1.1.1', 1), set.holds('10.1.1.1', 2), set.holds('10.1.1.1', 3), set.holds('fd12::1', 9), set.holds('fe80::1', 9)],
      [true, true, false, true, false],
    );
  });
});
