import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { pickByHash, rollOf } from '../../../decide/balance.ts';
import { hashText } from '../../../base/hash.ts';
import type { L4Forward } from '../../../model/chain.ts';
import { destinationTo, forwardTo, UdpLane, type UdpLimits } from '../../../../tests/support/layer4.ts';
import { clusterOf } from '../../../../tests/support/rig.ts';
import { UdpPeer } from '../../../../tests/support/udp.ts';

async function lane(
  t: TestContext,
  names: readonly string[],
  more: Partial<L4Forward> = {},
  limits: UdpLimits = {},
): Promise<{ lane: UdpLane; backends: readonly UdpPeer[]; peer: () => Promise<UdpPeer> }> {
  const backends = await Promise.all(names.map((name) => UdpPeer.echo(name)));
  const cluster = clusterOf(
    'dns',
    backends.map(({ port }) => port),
  );
  const made = await UdpLane.start([cluster], forwardTo(['dns'], { idleTimeoutMs: 60_000, ...more }), limits);
  const peers: UdpPeer[] = [];
  t.after(() => {
    made.server.close();
    for (const peer of [...peers, ...backends]) peer.close();
    assert.deepEqual(made.faults, []);
    assertNothingLeft(made);
  });
  const peer = async (): Promise<UdpPeer> => {
    const bound = await UdpPeer.bind();
    peers.push(bound);
    return bound;
  };
  return { lane: made, backends, peer };
}

function assertNothingLeft(of: UdpLane): void {
  assert.equal(of.at.connections.size, 0);
  assert.equal(of.worker.counts.own('l4'), 0);
  for (const cluster of of.clusters.all()) assert.equal(cluster.activeTotal, 0);
}

describe('UdpServer', () => {
  it('carries datagrams both ways and writes one line when the session ends', async (t) => {
    const { lane: at, peer } = await lane(t, ['a:']);
    const client = await peer();
    assert.equal(await client.ask('one', at.port), 'a:one');
    assert.equal(await client.ask('two!', at.port), 'a:two!');
    assert.equal(at.at.connections.size, 1);
    at.wheel.advance(performance.now() + 61_000);
    const [line] = await at.ended(1);
    assert.equal(line['protocol'], 'UDP');
    assert.equal(line['bytes_received'], 7);
    assert.equal(line['bytes_sent'], 11);
    assert.equal(line['response_flags'], '-');
    assert.equal(line['response_code_details'], 'idle_timeout');
    assert.equal(line['route_name'], 'l4');
    assert.equal(line['downstream_remote_address'], `127.0.0.1:${client.port}`);
    assertNothingLeft(at);
  });

  it('keeps the borders of datagrams, empty ones and the largest', async (t) => {
    const { lane: at, backends, peer } = await lane(t, ['']);
    const client = await peer();
    const largest = Buffer.alloc(65_507, 'z');
    for (const datagram of [Buffer.alloc(0), Buffer.from('x'), largest]) await client.ask(datagram, at.port);
    assert.deepEqual(
      client.received.map(({ bytes }) => bytes),
      [0, 1, 65_507],
    );
    assert.deepEqual(
      backends[0].received.map(({ bytes }) => bytes),
      [0, 1, 65_507],
    );
  });

  it('a session lives while either side speaks', async (t) => {
    const { lane: at, backends, peer } = await lane(t, ['']);
    const client = await peer();
    await client.ask('x', at.port);
    at.wheel.advance(performance.now() + 50_000);
    const { from } = backends[0].received[0];
    backends[0].socket.send('later', from.port, from.address);
    await client.got(2);
    at.wheel.advance(performance.now() + 59_000);
    assert.equal(at.at.connections.size, 1);
    at.wheel.advance(performance.now() + 61_000);
    await at.ended(1);
    assert.equal(await at.metric('envoy_udp_idle_timeout', { envoy_udp_prefix: 'l4' }), 1);
  });

  it('a source stays at its endpoint, over sessions and restarts; sources are spread', async (t) => {
    const { lane: at, peer } = await lane(t, ['a', 'b', 'c']);
    const clients = await Promise.all(Array.from({ length: 60 }, peer));
    const first = await Promise.all(clients.map((client) => client.ask('', at.port)));
    at.wheel.advance(performance.now() + 61_000);
    assert.equal(at.at.connections.size, 0);
    assert.deepEqual(await Promise.all(clients.map((client) => client.ask('', at.port))), first);
    const again = await UdpLane.start(
      [
        clusterOf(
          'dns',
          [...at.clusters.all()][0].endpoints.map(({ port }) => port),
        ),
      ],
      forwardTo(['dns']),
    );
    t.after(() => again.server.close());
    assert.deepEqual(await Promise.all(clients.map((client) => client.ask('', again.port))), first);
    for (const name of ['a', 'b', 'c']) assert.ok(first.filter((got) => got === name).length > 5, first.join(''));
  });

  it('an endpoint that refuses (ICMP) is left for another one', async (t) => {
    const { lane: at, backends, peer } = await lane(t, ['a', 'b']);
    const [gone] = backends;
    // A source that belongs to the endpoint which goes.
    let client = await peer();
    while ((await client.ask('', at.port)) !== 'a') client = await peer();
    const port = gone.port;
    gone.close();
    const before = client.received.length;
    client.send('1', at.port);
    const lines = await at.ended(1);
    const line = lines[lines.length - 1];
    assert.equal(line['response_flags'], 'UF');
    assert.equal(line['upstream_host'], `127.0.0.1:${port}`);
    client.send('2', at.port);
    assert.equal((await client.got(before + 1))[before], 'b2');
    assert.ok((await at.metric('envoy_cluster_udp_sess_rx_errors')) + (await at.metric('envoy_cluster_udp_sess_tx_errors')) > 0);
  });

  it('a lone endpoint that comes back is found by the same session', async (t) => {
    const { lane: at, backends, peer } = await lane(t, ['a:']);
    const client = await peer();
    await client.ask('1', at.port);
    const { port } = backends[0];
    backends[0].close();
    client.send('lost', at.port);
    while ((await at.metric('envoy_cluster_udp_sess_rx_errors')) + (await at.metric('envoy_cluster_udp_sess_tx_errors')) === 0)
      await new Promise((resolve) => setImmediate(resolve));
    assert.equal(at.at.connections.size, 1);
    const back = await UdpPeer.echo('a:', port);
    t.after(() => back.close());
    assert.equal(await client.ask('2', at.port), 'a:2');
  });

  it('bounds the sessions of a route and counts what it drops', async (t) => {
    const { lane: at, peer } = await lane(t, ['a'], { maxConnections: 3 });
    const clients = await Promise.all(Array.from({ length: 5 }, peer));
    for (const client of clients.slice(0, 3)) await client.ask('', at.port);
    for (const client of clients.slice(3)) client.send('', at.port);
    const dropped = { route: 'l4', reason: 'sessions' };
    while ((await at.metric('weir_udp_datagrams_dropped_total', dropped).catch(() => 0)) < 2)
      await new Promise((resolve) => setImmediate(resolve));
    assert.equal(at.at.connections.size, 3);
    at.wheel.advance(performance.now() + 61_000);
    await clients[4].ask('', at.port);
    assert.equal(at.at.connections.size, 1);
  });

  it('thousands of sources do not exceed the bound of the listener', async (t) => {
    const { lane: at, peer } = await lane(t, ['a'], {}, { maxConnections: 100 });
    const clients = await Promise.all(Array.from({ length: 400 }, peer));
    for (const client of clients) client.send('x', at.port);
    const seen = async (): Promise<number> =>
      (await at.metric('envoy_udp_downstream_sess_rx_datagrams').catch(() => 0)) +
      (await at.metric('weir_udp_datagrams_dropped_total', { reason: 'sessions' }).catch(() => 0));
    while ((await seen()) < 400) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(at.at.connections.size, 100);
    assert.equal(await at.metric('envoy_udp_downstream_sess_active'), 100);
  });

  it('made up sources take half of what the process takes, and shut nobody out', async (t) => {
    const { lane: at, peer } = await lane(t, ['a'], {}, { maxProcessConnections: 6 });
    const clients = await Promise.all(Array.from({ length: 5 }, peer));
    for (const client of clients.slice(0, 3)) await client.ask('', at.port);
    for (const client of clients.slice(3)) client.send('', at.port);
    while ((await at.metric('weir_udp_datagrams_dropped_total', { reason: 'sessions' }).catch(() => 0)) < 2)
      await new Promise((resolve) => setImmediate(resolve));
    assert.equal(at.at.connections.size, 3);
    await clients[0].ask('', at.port);
  });

  it('begins no session while memory is tight, and serves those that are there', async (t) => {
    const { lane: at, peer } = await lane(t, ['a:']);
    const [known, late] = [await peer(), await peer()];
    await known.ask('1', at.port);
    Reflect.set(at.worker, 'overloaded', true);
    late.send('x', at.port);
    const dropped = { reason: 'overload' };
    while ((await at.metric('weir_udp_datagrams_dropped_total', dropped).catch(() => 0)) === 0)
      await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await known.ask('2', at.port), 'a:2');
    Reflect.set(at.worker, 'overloaded', false);
    assert.equal(await late.ask('y', at.port), 'a:y');
  });

  const drops: readonly (readonly [name: string, forward: L4Forward, reason: string])[] = [
    ['a blocked route', forwardTo(['dns'], { blocked: 'why' }), 'blocked'],
    ['a blocked cluster', forwardTo(['closed']), 'blocked'],
    ['an invalid backend', forwardTo([null]), 'no-upstream'],
    ['a cluster that is not there', forwardTo(['gone']), 'no-upstream'],
    ['a cluster without endpoints', forwardTo(['empty']), 'no-upstream'],
    ['no weight', forwardTo([], { destinations: [destinationTo('dns', 0)] }), 'no-upstream'],
  ];
  for (const [name, forward, reason] of drops) {
    it(`drops and counts: ${name}`, async (t) => {
      const at = await UdpLane.start([clusterOf('closed', [1], { blocked: 'why' }), clusterOf('empty', [])], forward);
      const client = await UdpPeer.bind();
      t.after(() => {
        at.server.close();
        client.close();
      });
      client.send('x', at.port);
      while ((await at.metric('weir_udp_datagrams_dropped_total', { reason }).catch(() => 0)) === 0)
        await new Promise((resolve) => setImmediate(resolve));
      assert.equal(at.at.connections.size, 0);
      assert.equal(at.lines().length, 0);
    });
  }

  it('an endpoint that no socket can be made for leaves nothing behind', async (t) => {
    const endpoint = { address: 'not an address', port: 53, weight: 1, labels: {}, locality: '' };
    const at = await UdpLane.start([clusterOf('dns', [], { endpoints: [endpoint] })], forwardTo(['dns']));
    const client = await UdpPeer.bind();
    t.after(() => {
      at.server.close();
      client.close();
    });
    for (let i = 1; i <= 3; i++) {
      client.send('x', at.port);
      const lines = await at.ended(i);
      assert.equal(lines[i - 1]['response_flags'], 'UF');
    }
    assertNothingLeft(at);
    assert.deepEqual(at.faults, []);
  });

  it('another revision keeps sessions whose route remains and ends the others', async (t) => {
    const { lane: at, backends, peer } = await lane(t, ['a', 'b']);
    const clients = await Promise.all(Array.from({ length: 20 }, peer));
    const first = await Promise.all(clients.map((client) => client.ask('', at.port)));
    const [a, b] = backends.map(({ port }) => port);
    at.apply([clusterOf('dns', [a, b]), clusterOf('new', [b])], forwardTo(['dns', 'new']));
    assert.equal(at.at.connections.size, 20, 'the route has one more destination');
    at.apply([clusterOf('dns', [a, b])], forwardTo(['dns'], { idleTimeoutMs: 5000 }));
    assert.deepEqual(await Promise.all(clients.map((client) => client.ask('', at.port))), first);
    at.apply([clusterOf('dns', [b])], forwardTo(['dns']));
    assert.equal(at.at.connections.size, first.filter((name) => name === 'b').length, 'endpoint a is gone');
    assert.deepEqual(new Set(await Promise.all(clients.map((client) => client.ask('', at.port)))), new Set(['b']));
    at.apply([clusterOf('dns', [b])], forwardTo(['dns'], { route: 'other' }));
    assert.equal(at.at.connections.size, 0, 'another route');
    const ended = await at.ended(20);
    assert.ok(ended.every((line) => line['response_code_details'] === 'configuration_changed'));
  });

  it('counts sessions, datagrams and bytes', async (t) => {
    const { lane: at, peer } = await lane(t, ['12']);
    const client = await peer();
    await client.ask('345', at.port);
    const prefix = { envoy_udp_prefix: 'l4' };
    assert.equal(await at.metric('envoy_udp_downstream_sess_total', prefix), 1);
    assert.equal(await at.metric('envoy_udp_downstream_sess_rx_datagrams', prefix), 1);
    assert.equal(await at.metric('envoy_udp_downstream_sess_rx_bytes', prefix), 3);
    assert.equal(await at.metric('envoy_udp_downstream_sess_tx_datagrams', prefix), 1);
    assert.equal(await at.metric('envoy_udp_downstream_sess_tx_bytes', prefix), 5);
    const cluster = { envoy_cluster_name: 'dns' };
    assert.equal(await at.metric('envoy_cluster_udp_sess_tx_datagrams', cluster), 1);
    assert.equal(await at.metric('envoy_cluster_udp_sess_rx_datagrams', cluster), 1);
    assert.equal(await at.metric('envoy_cluster_upstream_cx_rx_bytes_total', cluster), 5);
  });
});

describe('pickByHash', () => {
  const endpoints = (weights: readonly number[]) => weights.map((weight, i) => ({ key: `10.0.0.${i}:53`, weight }));
  const counts = (of: readonly { readonly weight: number; readonly key: string }[]): number[] => {
    const found = of.map(() => 0);
    for (let i = 0; i < 20_000; i++) found[pickByHash(of, hashText(`192.0.2.${i % 251}|${i}`))]++;
    return found;
  };

  it('shares in proportion to the weights', () => {
    const [a, b, c] = counts(endpoints([1, 2, 1]));
    assert.ok(Math.abs(a - 5000) < 500 && Math.abs(b - 10_000) < 500 && Math.abs(c - 5000) < 500, `${a} ${b} ${c}`);
  });
  it('gives nothing to weight 0 and finds nothing among nothing', () => {
    assert.deepEqual(counts(endpoints([0, 1])), [0, 20_000]);
    assert.equal(pickByHash(endpoints([0]), 5), -1);
    assert.equal(pickByHash([], 5), -1);
  });
  it('an endpoint that goes moves its own share only', () => {
    const all = endpoints([1, 1, 1, 1]);
    const fewer = all.slice(0, 3);
    for (let i = 0; i < 2000; i++) {
      const hash = hashText(`s${i}`);
      const before = pickByHash(all, hash);
      if (before < 3) assert.equal(pickByHash(fewer, hash), before);
    }
  });
  it('rolls lie between 0 and 1', () => {
    for (const hash of [0, 1, -1, 0x7fffffff, -0x80000000]) assert.ok(rollOf(hash) > 0 && rollOf(hash) < 1);
  });
});
