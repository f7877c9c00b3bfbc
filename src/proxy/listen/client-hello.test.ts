import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { connect } from 'node:tls';
import { alpn, extension, helloMessage, records, sni, vector, versions, type HelloParts } from '../../../tests/support/hello.ts';
import { requireProgram } from '../../../tests/support/programs.ts';
import { ClientHelloReader, MAX_CLIENT_HELLO_BYTES, type ClientHelloRead } from './client-hello.ts';

function read(bytes: Buffer): ClientHelloRead {
  return new ClientHelloReader().read(Buffer.concat([Buffer.from('##'), bytes]), 2, 2 + bytes.length);
}

function readBytewise(bytes: Buffer): ClientHelloRead {
  const reader = new ClientHelloReader();
  let last: ClientHelloRead = { kind: 'more' };
  for (let i = 0; i < bytes.length; i++) last = reader.read(bytes.subarray(i, i + 1), 0, 1);
  return last;
}

const hello = (parts: HelloParts = {}): Buffer => records(helloMessage(parts));
const withExtensions = (...extensions: readonly Buffer[]): Buffer => hello({ extensions });
const name = (text: string | Buffer): Buffer => withExtensions(sni(text));

describe('ClientHello', () => {
  const accepted: readonly (readonly [name: string, bytes: Buffer, expected: object])[] = [
    ['a name', name('shop.example.com'), { serverName: 'shop.example.com', alpn: [], versions: [0x0303] }],
    ['a name in upper case with a trailing dot', name('Shop.EXAMPLE.com.'), { serverName: 'shop.example.com' }],
    ['a name with an underscore', name('_x.a_b.example'), { serverName: '_x.a_b.example' }],
    ['no extensions at all (RFC 5246)', hello({ version: 0x0301, extensions: null }), { serverName: '', versions: [0x0301] }],
    ['an empty block of extensions', hello({ extensions: [] }), { serverName: '' }],
    ['protocols', withExtensions(alpn('h2', 'http/1.1')), { serverName: '', alpn: ['h2', 'http/1.1'] }],
    ['protocols with GREASE', withExtensions(alpn('\x2a\x2a', 'h2')), { alpn: ['h2'] }],
    ['versions', withExtensions(versions(0x0304, 0x0303)), { versions: [0x0304, 0x0303] }],
    ['versions with GREASE (RFC 8701)', withExtensions(versions(0xfafa, 0x0304)), { versions: [0x0304] }],
    [
      'GREASE extensions',
      withExtensions(extension(0x0a0a), sni('b.example'), extension(0xdada, Buffer.alloc(1))),
      { serverName: 'b.example' },
    ],
    ['a session id', hello({ sessionId: Buffer.alloc(32, 1) }), { serverName: 'a.example' }],
    ['records of one byte', records(helloMessage(), 1), { serverName: 'a.example' }],
    ['records that split the handshake header', records(helloMessage(), 3), { serverName: 'a.example' }],
    ['a pre-shared key at the end', withExtensions(sni('a.example'), extension(41, Buffer.alloc(9))), { serverName: 'a.example' }],
  ];
  for (const [title, bytes, expected] of accepted) {
    it(title, () => {
      assert.partialDeepStrictEqual(read(bytes), { kind: 'hello', ...expected });
      assert.deepEqual(readBytewise(bytes), read(bytes));
      const half = new ClientHelloReader();
      for (let i = 0; i < bytes.length; i++) assert.equal(half.read(bytes, i, i + 1).kind, i === bytes.length - 1 ? 'hello' : 'more');
    });
  }

  const surplus = Buffer.concat([helloMessage(), Buffer.from([0])]);
  const message = helloMessage();
  const shorter = Buffer.from(message);
  shorter.writeUIntBE(message.length - 5, 1, 3);
  const refused: readonly (readonly [name: string, bytes: Buffer, details: string])[] = [
    ['an empty record', Buffer.from('1603010000', 'hex'), 'record_length_invalid'],
    ['a record over 16 KiB (RFC 8446 §5.1)', Buffer.from('1603014001', 'hex'), 'record_length_invalid'],
    [
      'an alert between the fragments',
      Buffer.concat([records(message.subarray(0, 9)), Buffer.from('1503010002', 'hex')]),
      'record_invalid',
    ],
    ['a ServerHello', records(Buffer.concat([Buffer.from([2]), message.subarray(1)])), 'handshake_type_invalid'],
    ['more in the record than the message', records(surplus), 'record_surplus'],
    ['a message that says it is shorter', records(shorter), 'record_surplus'],
    ['a message of 16 MiB', Buffer.from('160301000401ffffff', 'hex'), 'client_hello_too_long'],
    ['a session id of 33 bytes', hello({ sessionId: Buffer.alloc(33) }), 'session_id_invalid'],
    ['an odd number of bytes of suites', hello({ suites: Buffer.alloc(3) }), 'cipher_suites_invalid'],
    ['no suites', hello({ suites: Buffer.alloc(0) }), 'cipher_suites_invalid'],
    ['no compression method', hello({ compression: Buffer.alloc(0) }), 'compression_invalid'],
    ['a message that ends in the random', records(Buffer.concat([Buffer.from([1, 0, 0, 9]), Buffer.alloc(9)])), 'client_hello_truncated'],
    ['an extension that leaves the message', withExtensions(Buffer.from('00170005aa', 'hex')), 'extension_truncated'],
    ['half an extension head', withExtensions(Buffer.from('0017', 'hex')), 'extension_truncated'],
    ['an extension twice (RFC 8446 §4.2)', withExtensions(sni('a.example'), sni('b.example')), 'extension_twice'],
    ['a pre-shared key that is not last', withExtensions(extension(41, Buffer.alloc(9)), sni('a.example')), 'pre_shared_key_not_last'],
    ['an empty name', name(''), 'server_name_invalid'],
    ['a name with a NUL (CVE-2009-2408 manner)', name('a.example\0.evil.example'), 'server_name_invalid'],
    ['a name with a slash', name('a.example/x'), 'server_name_invalid'],
    ['a name with a line end', name('a.example\r\nX: y'), 'server_name_invalid'],
    ['a name with a port', name('a.example:443'), 'server_name_invalid'],
    ['an IPv6 literal', name('::1'), 'server_name_invalid'],
    ['a wildcard', name('*.example'), 'server_name_invalid'],
    ['a name that is not ASCII', name('é.example'), 'server_name_invalid'],
    ['an empty label', name('a..example'), 'server_name_invalid'],
    ['a label of 64 bytes', name(`${'a'.repeat(64)}.example`), 'server_name_invalid'],
    ['a name of 256 bytes', name('a.'.repeat(127) + 'aa'), 'server_name_invalid'],
    [
      'two names',
      withExtensions(extension(0, vector(2, Buffer.from([0]), vector(2, Buffer.from('a')), Buffer.from([0]), vector(2, Buffer.from('b'))))),
      'server_name_invalid',
    ],
    [
      'a name of another type',
      withExtensions(extension(0, vector(2, Buffer.from([1]), vector(2, Buffer.from('a'))))),
      'server_name_invalid',
    ],
    ['an empty list of names (what a server answers)', withExtensions(extension(0)), 'server_name_invalid'],
    ['an empty protocol', withExtensions(alpn('h2', '')), 'alpn_invalid'],
    ['no protocols', withExtensions(alpn()), 'alpn_invalid'],
    ['protocols that leave the list', withExtensions(extension(16, Buffer.from('0003056832', 'hex'))), 'alpn_invalid'],
    ['half a version', withExtensions(extension(43, Buffer.from('03030403', 'hex'))), 'versions_invalid'],
    ['no versions', withExtensions(versions()), 'versions_invalid'],
  ];
  for (const [title, bytes, details] of refused) {
    it(`refuses ${title}`, () => {
      assert.deepEqual(read(bytes), { kind: 'error', details: `tls.${details}` });
      assert.deepEqual(readBytewise(bytes), { kind: 'error', details: `tls.${details}` });
    });
  }

  it('sees at the first byte that differs that it is no TLS', () => {
    for (const bytes of ['G', '\x80\x2e\x01\x03', '\x15\x03', '\x16\x02', '\x16\x03\x05', '\x17\x03\x03']) {
      assert.equal(read(Buffer.from(bytes, 'latin1')).kind, 'not-tls', JSON.stringify(bytes));
    }
    for (const bytes of ['', '\x16', '\x16\x03', '\x16\x03\x01', '\x16\x03\x01\x00\x05']) {
      assert.equal(read(Buffer.from(bytes, 'latin1')).kind, 'more', JSON.stringify(bytes));
    }
  });

  it('reads 64 KiB and not one byte more', () => {
    const filler = (bytes: number): Buffer => records(helloMessage({ extensions: [sni('a.example'), extension(21, Buffer.alloc(bytes))] }));
    const most = MAX_CLIENT_HELLO_BYTES - filler(60_000).length + 60_000;
    assert.equal(filler(most).length, MAX_CLIENT_HELLO_BYTES);
    assert.partialDeepStrictEqual(read(filler(most)), { kind: 'hello', serverName: 'a.example' });
    assert.deepEqual(read(filler(most + 1)), { kind: 'error', details: 'tls.client_hello_too_long' });
    assert.deepEqual(readBytewise(filler(most + 1)), { kind: 'error', details: 'tls.client_hello_too_long' });
    // Records of one byte fill the bound with heads.
    assert.deepEqual(read(records(helloMessage({ extensions: [extension(21, Buffer.alloc(20_000))] }), 1)), {
      kind: 'error',
      details: 'tls.client_hello_too_long',
    });
  });

  it('stays with its answer', () => {
    const reader = new ClientHelloReader();
    const bytes = hello();
    const answer = reader.read(bytes, 0, bytes.length);
    assert.equal(reader.read(Buffer.from('rubbish'), 0, 7), answer);
  });
});

/** What `start` sends first to a port. */
async function firstBytes(t: TestContext, start: (port: number) => void): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address !== 'string');
  start(address.port);
  const [socket]: Socket[] = await once(server, 'connection');
  t.after(() => socket.destroy());
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket) {
    assert.ok(chunk instanceof Buffer);
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt16BE(3)) return bytes;
  }
  throw new Error('the client said too little');
}

describe('ClientHellos of real clients', () => {
  it('openssl s_client', async (t) => {
    if (!requireProgram(t, 'openssl')) return;
    const bytes = await firstBytes(t, (port) => {
      const options = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'Real.Example', '-alpn', 'h2,http/1.1'];
      const client = spawn('openssl', options, { stdio: 'ignore' });
      t.after(() => client.kill());
    });
    assert.partialDeepStrictEqual(read(bytes), { kind: 'hello', serverName: 'real.example', alpn: ['h2', 'http/1.1'] });
  });

  it('node:tls', async (t) => {
    const bytes = await firstBytes(t, (port) => {
      const socket = connect({ port, host: '127.0.0.1', servername: 'node.example', ALPNProtocols: ['http/1.1'] });
      socket.on('error', () => undefined);
      t.after(() => socket.destroy());
    });
    const expected = { kind: 'hello', serverName: 'node.example', alpn: ['http/1.1'], versions: [0x0304, 0x0303] };
    assert.deepEqual(read(bytes), expected);
    assert.deepEqual(readBytewise(bytes), expected);
  });

  it('Chromium with GREASE and encrypted client hello', () => {
    const file = join(import.meta.dirname, '../../../tests/fuzz/corpus/client-hello/ok-chromium.hex');
    assert.deepEqual(read(Buffer.from(readFileSync(file, 'utf8').replaceAll('\n', ''), 'hex')), {
      kind: 'hello',
      serverName: 'chromium.example.com',
      alpn: ['h2', 'http/1.1'],
      versions: [0x0304, 0x0303],
    });
  });
});
