import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'node:net';
import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import type { L4Forward } from '../../src/model/chain.ts';
import { Pki, secretOf } from '../support/pki.ts';
import { RawBackend, RawClient } from '../support/raw.ts';
import { clusterOf, origin, Rig, routeTo, snapshotOf } from '../support/rig.ts';
import { behindTls, chainOf, tlsOf } from '../support/tls.ts';

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';
const v2 = (): Buffer => {
  const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
  const addresses = Buffer.from([192, 0, 2, 9, 198, 51, 100, 1, 0x30, 0x39, 0x01, 0xbb]);
  return Buffer.concat([signature, Buffer.from([0x21, 0x11, 0, addresses.length]), addresses]);
};
const format =
  '{"remote":"%DOWNSTREAM_REMOTE_ADDRESS%","direct":"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%","local":"%DOWNSTREAM_LOCAL_ADDRESS%","why":"%DOWNSTREAM_TRANSPORT_FAILURE_REASON%"}\n';

await test('PROXY headers of both versions, before plain HTTP and before TLS, whole or in pieces', async (t) => {
  const pki = new Pki(t);
  const secrets = [secretOf('c', pki.issue({ names: ['DNS:a.test'] }))];
  const chains = [chainOf('https', { tls: tlsOf(['c']) }), chainOf('http')];
  const { port, backend, rig } = await behindTls(t, chains, secrets, { listener: { proxyProtocol: 'required' }, accessLog: format });
  const v1 = Buffer.from('PROXY TCP4 192.0.2.9 198.51.100.1 12345 443\r\n');
  for (const header of [v1, v2()]) {
    for (const inPieces of [false, true]) {
      const client = await RawClient.connect(port);
      const bytes = Buffer.concat([header, Buffer.from(get)]);
      if (inPieces) for (const byte of bytes) client.send(Buffer.from([byte]));
      else client.send(bytes);
      assert.match(await client.toEnd(), /^HTTP\/1\.1 200 /);
      client.close();
    }
    const raw = connect(port, '127.0.0.1');
    raw.write(header);
    const secure = connectTls({ socket: raw, servername: 'a.test', rejectUnauthorized: false });
    secure.end(get);
    let text = '';
    secure.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    await once(secure, 'close');
    assert.match(text, /^HTTP\/1\.1 200 /);
  }
  const sent = backend.connections.map(({ received }) => received).join('');
  assert.equal([...sent.matchAll(/\r\nx-forwarded-for: 192\.0\.2\.9\r\n/g)].length, 6);
  for (const line of await rig.logged(6))
    assert.deepEqual(line, { remote: '192.0.2.9:12345', direct: '127.0.0.1', local: '198.51.100.1:443', why: '-' });
});

await test('a connection without the PROXY header that must be there, or with a broken one, is closed', async (t) => {
  const { port, rig } = await behindTls(t, [], [], { listener: { proxyProtocol: 'required' }, accessLog: format });
  for (const bytes of [get, 'PROXY TCP4 1.2.3.4\r\n', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n']) {
    const client = await RawClient.connect(port);
    client.send(bytes);
    assert.equal(await client.toEnd(), '');
    client.close();
  }
  assert.deepEqual(
    (await rig.logged(3)).map(({ why }) => why),
    ['proxy_protocol.missing', 'proxy_protocol.v1_fields_invalid', 'proxy_protocol.v1_port_invalid'],
  );
});

await test('an optional PROXY header is believed of trusted networks only, and may be missing there', async (t) => {
  const trusted = await behindTls(t, [], [], {
    listener: { proxyProtocol: 'optional', trustedCidrs: ['127.0.0.1/32'] },
    accessLog: format,
  });
  const header = 'PROXY TCP6 2001:db8::9 2001:db8::1 12345 443\r\n';
  const ask = async (port: number, bytes: string, from: string): Promise<string> => {
    const client = await RawClient.connect(port, true, from);
    client.send(bytes);
    const received = await client.toEnd();
    client.close();
    return received.slice(0, 12);
  };
  assert.equal(await ask(trusted.port, header + get, '127.0.0.1'), 'HTTP/1.1 200');
  assert.equal(await ask(trusted.port, get, '127.0.0.1'), 'HTTP/1.1 200');
  assert.equal(await ask(trusted.port, get, '127.0.0.2'), 'HTTP/1.1 200');
  assert.equal(await ask(trusted.port, header + get, '127.0.0.2'), 'HTTP/1.1 400');
  const lines = await trusted.rig.logged(4);
  assert.equal(lines[0]?.remote, '[2001:db8::9]:12345');
  assert.equal(lines[0]?.local, '[2001:db8::1]:443');
});

/** HTTP and bytes on one port, told apart by what comes first. */
async function detecting(t: Parameters<typeof behindTls>[0], detectTimeoutMs: number) {
  const backend = await RawBackend.start((connection) => {
    connection.socket.on('error', () => undefined);
    connection.socket.write('220 server speaks first\r\n');
  });
  const http = await RawBackend.start((connection) => {
    connection.socket.once('data', () => connection.socket.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhttp'));
  });
  const destination = { cluster: 'tcp', weight: 1, host: 'tcp', port: null, subset: null };
  const forward: L4Forward = { route: 'tcp', destinations: [destination], idleTimeoutMs: 0, maxConnections: 0, origin, pending: [] };
  const chains = [chainOf('http'), chainOf('tcp', { forward })];
  const rig = await Rig.start((port) =>
    snapshotOf(port, [routeTo('b')], [clusterOf('b', [http.port]), clusterOf('tcp', [backend.port])], {
      listener: { chains, detectTimeoutMs },
    }),
  );
  t.after(async () => {
    await rig.close();
    backend.close();
    http.close();
    assert.deepEqual(rig.faults, []);
  });
  return { rig, backend };
}

await test('detection: HTTP is HTTP, other bytes go on as they are, and who stays silent hears the server speak first', async (t) => {
  const { rig, backend } = await detecting(t, 150);
  const web = await RawClient.connect(rig.port);
  for (const byte of get) web.send(byte);
  assert.match(await web.toEnd(), /http$/);
  web.close();
  const silent = await RawClient.connect(rig.port);
  assert.equal(await silent.until((text) => text.endsWith('\n')), '220 server speaks first\r\n');
  silent.close();
  const talker = await RawClient.connect(rig.port);
  talker.send('EHLO example.test\r\n');
  await talker.until((text) => text.endsWith('\n'));
  const connection = await backend.connection(1);
  assert.equal(await connection.until((text) => text.endsWith('\n')), 'EHLO example.test\r\n');
  talker.close();
});
