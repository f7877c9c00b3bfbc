/** Attacks on TLS records, on the choice by server name, and across protocols: docs/reference/hostile-input.md. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import type { L4Forward } from '../../src/model/chain.ts';
import { readBinaryCorpus } from '../fuzz/binary/campaign.ts';
import { clientHelloTarget } from '../fuzz/binary/client-hello.ts';
import { preface } from '../support/h2-frames.ts';
import { alpn, helloMessage, records, sni, versions } from '../support/hello.ts';
import { Pki, secretOf } from '../support/pki.ts';
import { RawBackend, RawClient } from '../support/raw.ts';
import { clusterOf, origin, Rig, routeTo, snapshotOf } from '../support/rig.ts';
import { behindTls, chainOf, tlsOf } from '../support/tls.ts';

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';

/** Listeners that look at the ClientHello themselves, and one that leaves it to OpenSSL. */
const listeners = {
  'TLS ends here, whatever the name': [chainOf('https', { tls: tlsOf(['c']) })],
  'TLS ends here, by name': [chainOf('https', { serverNames: ['a.test', '*.a.test'], tls: tlsOf(['c']) })],
} as const;

async function secure(port: number, options: { readonly ALPNProtocols?: string[] } = {}): Promise<{ raw: Socket; socket: TLSSocket }> {
  const raw = connectPlain(port, '127.0.0.1');
  const socket = connect({ socket: raw, servername: 'a.test', rejectUnauthorized: false, ...options });
  raw.on('error', () => undefined);
  await once(socket, 'secureConnect');
  socket.on('error', () => undefined);
  return { raw, socket };
}

async function served(port: number): Promise<void> {
  const { socket } = await secure(port);
  socket.write(get);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  await once(socket, 'close');
  assert.match(text, /^HTTP\/1\.1 200 /, 'others are served');
}

const record = (type: number, body: Buffer): Buffer =>
  Buffer.concat([Buffer.from([type, 3, 3, body.length >> 8, body.length & 255]), body]);
const many = (piece: Buffer, count: number): Buffer => Buffer.concat(Array.from({ length: count }, () => piece));

/** What comes in place of a handshake. */
const instead: readonly (readonly [name: string, bytes: Buffer])[] = [
  ['plain HTTP', Buffer.from(get)],
  ['HTTP/2 in plain text', preface],
  ['a heartbeat (CVE-2014-0160)', record(24, Buffer.from('014000', 'hex'))],
  ['ChangeCipherSpec first (CVE-2014-0224)', record(20, Buffer.from([1]))],
  ['10,000 ChangeCipherSpecs', many(record(20, Buffer.from([1])), 10_000)],
  ['10,000 warning alerts (CVE-2016-8610)', many(record(21, Buffer.from([1, 90])), 10_000)],
  ['10,000 empty records', many(record(23, Buffer.alloc(0)), 10_000)],
  ['application data', record(23, Buffer.alloc(100))],
  ['a record over 16 KiB', Buffer.concat([Buffer.from([22, 3, 1, 0x48, 0x01]), Buffer.alloc(0x4801)])],
  [
    'a ClientHello of 64 KiB and more',
    records(helloMessage({ extensions: [alpn(...Array.from({ length: 250 }, () => 'x'.repeat(255)))] }), 300),
  ],
  ['SSLv2', Buffer.from('802e0103010015000000100100800200800300800400800500800600400700c0', 'hex')],
  ['SSL 3.0 (POODLE, CVE-2014-3566)', records(helloMessage({ version: 0x0300, extensions: null }), 16_384, 0x0300)],
  ['TLS 1.0', records(helloMessage({ version: 0x0301, suites: Buffer.from('c013c014002f0035', 'hex'), extensions: [sni('a.test')] }))],
  [
    'TLS 1.1',
    records(helloMessage({ version: 0x0302, suites: Buffer.from('c013c014002f0035', 'hex'), extensions: [sni('a.test')] }), 16_384, 0x0302),
  ],
  [
    'export and null ciphers (FREAK, CVE-2015-0204)',
    records(helloMessage({ suites: Buffer.from('00030006000800010002003b', 'hex'), extensions: [sni('a.test')] })),
  ],
  ['no version that exists', records(helloMessage({ extensions: [sni('a.test'), versions(0x7f1c, 0x0305)] }))],
];

for (const [title, chains] of Object.entries(listeners)) {
  await test(`${title}: what is no handshake ends the connection, and no other`, async (t) => {
    const pki = new Pki(t);
    const secrets = [secretOf('c', pki.issue({ names: ['DNS:a.test'] }))];
    // What OpenSSL waits for the rest of is cut by the time limit.
    const { port, backend } = await behindTls(t, chains, secrets, { limits: { headTimeoutMs: 300 } });
    const hostile = [...readBinaryCorpus(clientHelloTarget)].filter(([name]) => !name.startsWith('ok-'));
    for (const [name, bytes] of [...instead, ...hostile]) {
      await t.test(name, async () => {
        const client = await RawClient.connect(port);
        client.send(bytes);
        client.socket.end();
        const received = await client.toEnd();
        client.close();
        assert.doesNotMatch(received, /HTTP\/1/, 'no word of HTTP in plain text');
        // Nothing, or alerts; a ServerHello for those that OpenSSL takes, which then had no end.
        if (received !== '' && !name.startsWith('sni-') && !name.startsWith('psk-')) assert.equal(received.charCodeAt(0), 21, 'an alert');
      });
    }
    await served(port);
    assert.equal(backend.connections.length, 1, 'nothing of it reached the backend');
  });
}

/** What comes behind a good handshake, past its keys. */
const behind: readonly (readonly [name: string, bytes: Buffer])[] = [
  ['plain HTTP', Buffer.from(get)],
  ['a heartbeat (CVE-2014-0160)', record(24, Buffer.from('014000', 'hex'))],
  ['another ClientHello', records(helloMessage())],
  ['10,000 empty records', many(record(23, Buffer.alloc(0)), 10_000)],
  ['a record that was not encrypted', record(23, Buffer.from(get))],
  ['a record that is too long', Buffer.concat([Buffer.from([23, 3, 3, 0x41, 0x01]), Buffer.alloc(0x4101)])],
  ['a fatal alert that was not encrypted', record(21, Buffer.from([2, 40]))],
];

await test('bytes that were not encrypted end a connection and reach nobody', async (t) => {
  const pki = new Pki(t);
  const { port, backend } = await behindTls(t, listeners['TLS ends here, by name'], [secretOf('c', pki.issue({ names: ['DNS:a.test'] }))]);
  for (const [name, bytes] of behind) {
    await t.test(name, async () => {
      const { raw, socket } = await secure(port);
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.resume();
      raw.write(bytes);
      await closed;
    });
  }
  await served(port);
  assert.equal(backend.connections.length, 1);
});

await test('a connection that is cut without close_notify ends no request (truncation)', async (t) => {
  const pki = new Pki(t);
  const { port, backend } = await behindTls(t, listeners['TLS ends here, by name'], [secretOf('c', pki.issue({ names: ['DNS:a.test'] }))]);
  for (const framing of ['Content-Length: 10', 'Transfer-Encoding: chunked']) {
    const { raw, socket } = await secure(port);
    socket.write(`POST /cut HTTP/1.1\r\nHost: a.test\r\n${framing}\r\n\r\n5\r\nab`);
    const upstream = await backend.connection(backend.connections.length);
    await upstream.until((text) => text.includes('ab'));
    raw.resetAndDestroy();
    const received = await upstream.until(() => upstream.ended);
    assert.doesNotMatch(received, /0\r\n\r\n$/, framing);
    assert.ok(upstream.ended, 'the backend hears that it ended early');
  }
});

await test('what was agreed on by ALPN is what is spoken (ALPACA, 2021)', async (t) => {
  const pki = new Pki(t);
  const chains = [chainOf('https', { serverNames: ['a.test'], tls: { ...tlsOf(['c']), alpn: ['h2', 'http/1.1'] } })];
  const { port, backend } = await behindTls(t, chains, [secretOf('c', pki.issue({ names: ['DNS:a.test'] }))]);
  const said = async (offer: string[], bytes: string | Buffer): Promise<string> => {
    const { socket } = await secure(port, { ALPNProtocols: offer });
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.write(bytes);
    socket.end();
    await once(socket, 'close');
    return text;
  };
  await assert.rejects(said(['ftp'], ''), /no application protocol|alert/i);
  assert.doesNotMatch(await said(['h2'], get), /HTTP\/1\.1 200/);
  assert.match(await said(['http/1.1'], preface), /^HTTP\/1\.1 505 /);
  assert.equal(backend.connections.length, 0);
});

const forward: L4Forward = {
  route: 'pass',
  destinations: [{ cluster: 'b', weight: 1, host: 'b', port: null, subset: null }],
  idleTimeoutMs: 0,
  maxConnections: 0,
  origin,
  pending: [],
};

async function passing(t: TestContext): Promise<{ port: number; backend: RawBackend }> {
  const backend = await RawBackend.start((connection) => {
    connection.socket.on('end', () => connection.socket.end('bye'));
  });
  const chains = [chainOf('pass', { serverNames: ['pass.test'], forward })];
  const rig = await Rig.start((port) => snapshotOf(port, [routeTo('b')], [clusterOf('b', [backend.port])], { listener: { chains } }));
  t.after(async () => {
    await rig.close();
    backend.close();
    assert.deepEqual(rig.faults, []);
  });
  return { port: rig.port, backend };
}

// Censorship and filters are evaded this way: the name is cut over records and segments, or hidden behind another one.
await test('a name is read however its record is cut, and two names are none (SNI routing)', async (t) => {
  const { port, backend } = await passing(t);
  const send = async (bytes: Buffer, bytewise = false): Promise<string> => {
    const client = await RawClient.connect(port);
    if (bytewise) for (const byte of bytes) client.send(Buffer.from([byte]));
    else client.send(bytes);
    client.socket.end();
    const received = await client.toEnd();
    client.close();
    return received;
  };
  const good = helloMessage({ extensions: [alpn('h2'), sni('Pass.TEST'), versions(0x0304)] });
  for (const most of [16_384, 100, 7, 1]) {
    for (const bytewise of [false, true]) {
      const bytes = records(good, most);
      assert.equal(await send(bytes, bytewise), 'bye', `records of ${most}`);
      assert.equal(backend.connections.at(-1)?.received, bytes.toString('latin1'), 'passed through as it is');
    }
  }
  const count = backend.connections.length;
  const hostile = [...readBinaryCorpus(clientHelloTarget).values(), ...instead.map(([, bytes]) => bytes)];
  for (const extensions of [
    [sni('other.test')],
    [],
    [sni('pass.test'), sni('other.test')],
    [sni('pass.test\0.other.test')],
    [sni('xpass.test')],
  ]) {
    hostile.push(records(helloMessage({ extensions }), 5));
  }
  for (const bytes of hostile) assert.equal(await send(bytes), '');
  assert.equal(backend.connections.length, count, 'nothing of it reached the backend');
});

await test('a PROXY header where none is expected, or a second one, is no address', async (t) => {
  const pki = new Pki(t);
  const secrets = [secretOf('c', pki.issue({ names: ['DNS:a.test'] }))];
  const header = 'PROXY TCP4 192.0.2.9 198.51.100.1 12345 443\r\n';
  const v2 = '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\xc6\x33\x64\x01\x30\x39\x01\xbb';
  const plain = await behindTls(t, [chainOf('http')], secrets);
  const expecting = await behindTls(t, [chainOf('http')], secrets, { listener: { proxyProtocol: 'required' } });
  const rows: readonly (readonly [port: number, bytes: string])[] = [
    [plain.port, header + get],
    [plain.port, v2 + get],
    [expecting.port, header + header + get],
    [expecting.port, v2 + v2 + get],
    [expecting.port, header + v2 + get],
  ];
  for (const [port, bytes] of rows) {
    const client = await RawClient.connect(port);
    client.send(bytes);
    const received = await client.toEnd();
    client.close();
    assert.match(received, /^HTTP\/1\.1 (400|501|505) /, JSON.stringify(bytes));
  }
  assert.equal(plain.backend.connections.length + expecting.backend.connections.length, 0);
});
