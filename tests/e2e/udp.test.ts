import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { daemon } from '../support/daemon.ts';
import { forwardTo } from '../support/layer4.ts';
import { layer4Rig, type Layer4Rig } from '../support/layer4-rig.ts';
import { requireFile, requireProgram } from '../support/programs.ts';
import { clusterOf, type RigOptions } from '../support/rig.ts';
import { chainOf, runProgram } from '../support/tls.ts';
import { UdpPeer } from '../support/udp.ts';

const udp = (cluster: string, more: Parameters<typeof forwardTo>[1] = {}) =>
  chainOf('udp', { forward: forwardTo([cluster], { idleTimeoutMs: 60_000, ...more }) });

interface World extends Layer4Rig {
  readonly backends: readonly UdpPeer[];
  readonly peers: (count: number) => Promise<readonly UdpPeer[]>;
}

async function world(
  t: TestContext,
  names: readonly string[],
  options: RigOptions = {},
  more: Parameters<typeof forwardTo>[1] = {},
): Promise<World> {
  const backends = await Promise.all(names.map((name) => UdpPeer.echo(name)));
  const made: UdpPeer[] = [];
  t.after(() => [...backends, ...made].forEach((peer) => peer.close()));
  const ports = backends.map(({ port }) => port);
  const rig = await layer4Rig(t, [udp('u', more)], [clusterOf('u', ports)], {
    ...options,
    listener: { protocol: 'udp', ...options.listener },
  });
  const peers = async (count: number): Promise<readonly UdpPeer[]> => {
    const bound = await Promise.all(Array.from({ length: count }, () => UdpPeer.bind()));
    made.push(...bound);
    return bound;
  };
  return { ...rig, backends, peers };
}

describe('UDP, end to end', () => {
  it('nginx answers a Python client through it', async (t) => {
    if (!requireProgram(t, 'nginx') || !requireProgram(t, 'python3')) return;
    const module = '/usr/lib/nginx/modules/ngx_stream_module.so';
    if (!requireFile(t, module, 'libnginx-mod-stream')) return;
    const free = await UdpPeer.bind();
    const upstream = free.port;
    free.close();
    const config = (dir: string): string => `load_module ${module};
daemon off; master_process off; pid ${dir}/nginx.pid; error_log stderr notice;
events { worker_connections 64; }
stream { server { listen 127.0.0.1:${upstream} udp; return "$protocol from $remote_addr"; } }`;
    const args = (dir: string): readonly string[] => ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'];
    await daemon(t, 'nginx', args, /using the "epoll" event method|start worker/, { 'nginx.conf': config });
    const { port, rig } = await layer4Rig(t, [udp('n')], [clusterOf('n', [upstream])], { listener: { protocol: 'udp' } });
    const program = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect(("127.0.0.1", ${port}))
s.send(b"hello")
print(s.recv(2048).decode())`;
    const { stdout, stderr } = await runProgram('python3', ['-c', program]);
    assert.equal(stdout, 'UDP from 127.0.0.1\n', stderr);
    await rig.drain(2000);
    const [line] = await rig.logged(1);
    assert.deepEqual([line['protocol'], line['bytes_received'], line['bytes_sent']], ['UDP', 5, 18]);
  });

  it('each of many sources has one session in one worker and one endpoint', async (t) => {
    const { port, rig, backends, peers } = await world(t, ['a', 'b', 'c'], { workers: 3 });
    const clients = await peers(150);
    const first = await Promise.all(clients.map((client) => client.ask('', port)));
    for (let round = 0; round < 3; round++) assert.deepEqual(await Promise.all(clients.map((client) => client.ask('', port))), first);
    const sources = backends.flatMap(({ received }) => received.map(({ from }) => from.port));
    assert.equal(new Set(sources).size, 150, 'one socket towards an endpoint per client');
    for (const name of ['a', 'b', 'c']) assert.ok(first.filter((got) => got === name).length > 15);
    await rig.drain(5000);
    const lines = await rig.logged(150);
    assert.equal(lines.length, 150);
  });

  it('the endpoint of a source is the same after a restart', async (t) => {
    const { port, rig, backends, peers } = await world(t, ['a', 'b', 'c']);
    const clients = await peers(20);
    const before = await Promise.all(clients.map((client) => client.ask('', port)));
    await rig.drain(5000);
    const ports = backends.map((backend) => backend.port);
    const again = await layer4Rig(t, [udp('u')], [clusterOf('u', ports)], { workers: 2, listener: { protocol: 'udp' } });
    assert.deepEqual(await Promise.all(clients.map((client) => client.ask('', again.port))), before);
  });

  it('sessions live through changes of the configuration while their route leads to their endpoint', async (t) => {
    const { port, rig, backends, peers, apply } = await world(t, ['a', 'b']);
    const clients = await peers(30);
    const ask = (): Promise<readonly string[]> => Promise.all(clients.map((client) => client.ask('', port)));
    const first = await ask();
    const [a, b] = backends.map((backend) => backend.port);
    await apply([udp('u', { maxConnections: 1000 })], [clusterOf('u', [a, b])]);
    assert.deepEqual(await ask(), first);
    assert.equal(new Set(backends.flatMap(({ received }) => received.map(({ from }) => from.port))).size, 30, 'no session began anew');
    await apply([udp('u')], [clusterOf('u', [b])]);
    assert.deepEqual(new Set(await ask()), new Set(['b']));
    const moved = first.filter((name) => name === 'a').length;
    const lines = await rig.logged(moved);
    assert.ok(lines.every((line) => line['response_code_details'] === 'configuration_changed'));
  });

  it('the limit of a route holds over all workers', async (t) => {
    const { port, rig, peers } = await world(t, ['a'], { workers: 3 }, { maxConnections: 7 });
    const clients = await peers(40);
    for (const client of clients) client.send('x', port);
    const dropped = (): number => rig.metric('weir_udp_datagrams_dropped_total', { reason: 'sessions' });
    while (dropped() + rig.metric('envoy_udp_downstream_sess_total') < 40) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(rig.metric('envoy_udp_downstream_sess_active'), 7);
    assert.equal(dropped(), 33);
  });

  it('a listener whose address goes lets the port go', async (t) => {
    const { port, rig, peers } = await world(t, ['a']);
    const [client] = await peers(1);
    await client.ask('', port);
    await rig.apply({ listeners: [], routes: [], clusters: [], consumers: [], status: [] });
    const [line] = await rig.logged(1);
    assert.equal(line['response_code_details'], 'listener_closed');
    const other = await UdpPeer.bind(port);
    other.close();
  });

  it('one socket serves IPv4 and IPv6', async (t) => {
    const { port, rig } = await world(t, ['u:'], { listener: { address: '::' } });
    for (const [type, address] of [
      ['udp4', '127.0.0.1'],
      ['udp6', '::1'],
    ] as const) {
      const client = createSocket(type);
      client.send('x', port, address);
      const [datagram]: unknown[] = await once(client, 'message');
      assert.equal(String(datagram), 'u:x');
      client.close();
    }
    await rig.drain(5000);
    const lines = await rig.logged(2);
    assert.match(String(lines[0]['downstream_remote_address']), /^127\.0\.0\.1:\d+$/);
    assert.match(String(lines[1]['downstream_remote_address']), /^\[::1\]:\d+$/);
  });

  it('TCP and UDP serve side by side on one port number', async (t) => {
    const { port, peers } = await world(t, ['u:']);
    const server = createServer((socket) => socket.end('tcp')).listen(port, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const [client] = await peers(1);
    assert.equal(await client.ask('x', port), 'u:x');
  });
});
