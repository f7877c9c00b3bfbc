import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { haproxy, nginx } from '../support/daemon.ts';
import { destinationTo, forwardTo } from '../support/layer4.ts';
import { layer4Rig } from '../support/layer4-rig.ts';
import { requireProgram } from '../support/programs.ts';
import { freePort } from '../support/ports.ts';
import { RawBackend, RawClient } from '../support/raw.ts';
import { clusterOf } from '../support/rig.ts';
import { chainOf, runProgram } from '../support/tls.ts';

const tcp = (name: string, more: Parameters<typeof forwardTo>[1] = {}) => chainOf(name, { forward: forwardTo([name], more) });

function echo(name = ''): Promise<RawBackend> {
  return RawBackend.start(({ socket }) => {
    socket.on('data', (text) => socket.write(name + text, 'latin1'));
    socket.on('end', () => socket.end());
  });
}

describe('TCP, end to end', () => {
  it('curl downloads and uploads 64 MB to nginx through it', { timeout: 60_000 }, async (t) => {
    if (!requireProgram(t, 'nginx') || !requireProgram(t, 'curl')) return;
    const upstream = await freePort();
    const server = await nginx(t, `server { listen 127.0.0.1:${upstream}; root @dir@; client_max_body_size 0; dav_methods PUT; }`);
    const bytes = Buffer.alloc(64 * 1024 * 1024, 'A long text that repeats with a period of no power of two. ');
    writeFileSync(join(server.dir, 'big'), bytes);
    const { port, rig } = await layer4Rig(t, [tcp('n')], [clusterOf('n', [upstream])]);
    const there = join(server.dir, 'got');
    const sum = (of: Buffer): string => createHash('sha256').update(of).digest('hex');
    const down = await runProgram('curl', ['-sS', '-o', there, '-w', '%{http_code} %{size_download}', `http://127.0.0.1:${port}/big`]);
    assert.equal(down.stdout, `200 ${bytes.length}`, down.stderr);
    const { stdout } = await runProgram('sha256sum', [there]);
    assert.equal(stdout.slice(0, 64), sum(bytes));
    const up = await runProgram('curl', ['-sS', '-T', there, '-w', '%{http_code} %{size_upload}', `http://127.0.0.1:${port}/copy`]);
    assert.match(up.stdout, new RegExp(`20[14] ${bytes.length}$`), up.stderr);
    const copy = await runProgram('sha256sum', [join(server.dir, 'copy')]);
    assert.equal(copy.stdout.slice(0, 64), sum(bytes));
    const lines = await rig.logged(2);
    assert.ok(Number(lines[0]['bytes_sent']) > bytes.length);
    assert.ok(Number(lines[1]['bytes_received']) > bytes.length);
    assert.equal(lines[0]['response_flags'], '-');
  });

  it("HAProxy behind it sees the client's address by PROXY protocol", async (t) => {
    if (!requireProgram(t, 'haproxy')) return;
    const upstream = await freePort();
    await haproxy(
      t,
      `global
defaults
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend f
  bind 127.0.0.1:${upstream} accept-proxy
  mode http
  http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port]"
`,
    );
    for (const proxyProtocol of ['v1', 'v2'] as const) {
      const { port } = await layer4Rig(t, [tcp('h')], [clusterOf('h', [upstream], { proxyProtocol })]);
      const client = await RawClient.connect(port);
      client.send('GET / HTTP/1.0\r\n\r\n');
      const answer = await client.toEnd();
      assert.ok(answer.endsWith(`\r\n\r\n127.0.0.1:${client.socket.localPort}`), answer);
      client.close();
    }
  });

  it('goes to a Unix socket', async (t) => {
    const path = join(process.env['TMPDIR'] ?? '/tmp', `weir-tcp-${process.pid}-${Date.now()}.sock`);
    const backend = await echo('unix:');
    backend.server.close();
    const server = backend.server.listen(path);
    await once(server, 'listening');
    t.after(() => backend.close());
    const endpoint = { address: path, port: 0, weight: 1, labels: {}, locality: '' };
    const { port, rig } = await layer4Rig(t, [tcp('u')], [clusterOf('u', [], { endpoints: [endpoint] })]);
    const client = await RawClient.connect(port);
    client.send('x');
    assert.equal(await client.until((text) => text === 'unix:x'), 'unix:x');
    client.socket.end();
    await client.toEnd();
    const [line] = await rig.logged(1);
    assert.equal(line['upstream_host'], path);
  });

  it('connections live through changes of the configuration, the last one of which has no such cluster', async (t) => {
    const [a, b] = await Promise.all([echo('a'), echo('b')]);
    t.after(() => {
      a.close();
      b.close();
    });
    const clusters = [clusterOf('a', [a.port]), clusterOf('b', [b.port])];
    const { port, rig, apply } = await layer4Rig(t, [tcp('a')], clusters);
    const before = await RawClient.connect(port);
    before.send('1');
    await before.until((text) => text === 'a1');
    await apply([tcp('b')], clusters);
    const after = await RawClient.connect(port);
    after.send('2');
    assert.equal(await after.until((text) => text === 'b2'), 'b2');
    before.send('3');
    assert.equal(await before.until((text) => text === 'a1a3'), 'a1a3');
    await apply([tcp('b')], [clusters[1]]);
    before.send('4');
    assert.equal(await before.until((text) => text === 'a1a3a4'), 'a1a3a4', 'its cluster is gone, not its connection');
    for (const client of [before, after]) {
      client.socket.end();
      await client.toEnd();
    }
    const lines = await rig.logged(2);
    assert.deepEqual(
      lines.map((line) => [line['upstream_cluster'], line['response_flags']]),
      [
        ['a', '-'],
        ['b', '-'],
      ],
    );
  });

  it('a drain waits for connections and cuts what remains when its time is up', async (t) => {
    const backend = await echo();
    t.after(() => backend.close());
    const { port, rig } = await layer4Rig(t, [tcp('a')], [clusterOf('a', [backend.port])]);
    const client = await RawClient.connect(port);
    client.send('1');
    await client.until((text) => text === '1');
    const drained = rig.drain(1000);
    client.send('2');
    assert.equal(await client.until((text) => text === '12'), '12');
    await client.toEnd();
    await drained;
    const [line] = await rig.logged(1);
    assert.equal(line['response_code_details'], 'drained');
  });

  it('a drain ends as soon as the last connection has', async (t) => {
    const backend = await echo();
    t.after(() => backend.close());
    const { port, rig } = await layer4Rig(t, [tcp('a')], [clusterOf('a', [backend.port])]);
    const client = await RawClient.connect(port);
    client.send('1');
    await client.until((text) => text === '1');
    const drained = rig.drain();
    client.socket.end();
    await client.toEnd();
    await drained;
    const [line] = await rig.logged(1);
    assert.equal(line['response_code_details'], null);
  });

  it('the limit of a route holds over all workers', async (t) => {
    const backend = await echo();
    t.after(() => backend.close());
    const { port, rig } = await layer4Rig(t, [tcp('a', { maxConnections: 5 })], [clusterOf('a', [backend.port])], { workers: 3 });
    const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.connect(port)));
    for (const client of clients) client.send('x');
    const got = await Promise.all(clients.map((client) => client.until((text) => text === 'x')));
    assert.equal(got.filter((text) => text === 'x').length, 5);
    const lines = await rig.logged(15);
    assert.ok(lines.every((line) => line['response_flags'] === 'UO'));
    for (const client of clients) client.close();
  });

  it('chooses by source and by destination', async (t) => {
    const backends = await Promise.all(['home', 'away'].map(echo));
    t.after(() => backends.forEach((backend) => backend.close()));
    const clusters = ['home', 'away'].map((name, i) => clusterOf(name, [backends[i].port]));
    const chains = [{ ...tcp('away'), sources: ['127.0.0.2/32'] }, tcp('home')];
    const { port } = await layer4Rig(t, chains, clusters);
    for (const [address, name] of [
      ['127.0.0.1', 'home'],
      ['127.0.0.2', 'away'],
    ]) {
      const client = await RawClient.connect(port, true, address);
      client.send('!');
      assert.equal(await client.until((text) => text.endsWith('!')), `${name}!`);
      client.close();
    }
  });

  it('shares by weight', async (t) => {
    const backends = await Promise.all(['1', '2'].map(echo));
    t.after(() => backends.forEach((backend) => backend.close()));
    const clusters = backends.map((backend, i) => clusterOf(`c${i}`, [backend.port]));
    const destinations = [destinationTo('c0', 3), destinationTo('c1', 1)];
    const { port, rig } = await layer4Rig(t, [chainOf('w', { forward: forwardTo([], { destinations }) })], clusters);
    for (let i = 0; i < 120; i++) {
      const client = await RawClient.connect(port);
      client.socket.end('x');
      await client.toEnd();
    }
    const lines = await rig.logged(120);
    const second = lines.filter((line) => line['upstream_cluster'] === 'c1').length;
    assert.ok(second > 8 && second < 60, `${second} of 120 with weight 1 of 4`);
  });
});

describe('TCP beside HTTP on one port', () => {
  it('HTTP is served as HTTP, anything else is passed on', async (t) => {
    const raw = await echo('raw:');
    const web = await RawBackend.start(({ socket }) =>
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nweb')),
    );
    t.after(() => [raw, web].forEach((backend) => backend.close()));
    const { port } = await layer4Rig(t, [chainOf('http'), tcp('raw')], [clusterOf('web', [web.port]), clusterOf('raw', [raw.port])], {
      listener: { protocol: 'http', detectTimeoutMs: 5000 },
    });
    const client = await RawClient.connect(port);
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(await client.until((text) => text.endsWith('web')), /^HTTP\/1\.1 200 OK\r\n/);
    client.close();
    const other = await RawClient.connect(port);
    other.send('\x00\x01binary');
    assert.equal(await other.until((text) => text.endsWith('binary')), 'raw:\x00\x01binary');
    other.close();
  });

  it('a server that speaks first is heard although the client is silent', async (t) => {
    const greeting = await RawBackend.start(({ socket }) => socket.write('220 mail.test ready\r\n'));
    t.after(() => greeting.close());
    const { port } = await layer4Rig(t, [chainOf('http'), tcp('mail')], [clusterOf('mail', [greeting.port])], {
      listener: { protocol: 'http', detectTimeoutMs: 150 },
    });
    const client = connect({ port, host: '127.0.0.1' });
    const [bytes]: unknown[] = await once(client, 'data');
    assert.equal(String(bytes), '220 mail.test ready\r\n');
    client.destroy();
  });
});
