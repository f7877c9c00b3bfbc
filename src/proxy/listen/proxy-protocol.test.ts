import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_PROXY_HEADER_BYTES, readProxyHeader, type ProxyRead } from './proxy-protocol.ts';
import { writeProxyV1, writeProxyV2, type ProxyAddresses, type ProxyDetails } from './proxy-protocol-write.ts';

const signature = '0d0a0d0a000d0a515549540a';

function read(bytes: Buffer): ProxyRead {
  return readProxyHeader(Buffer.concat([Buffer.from('##'), bytes]), 2, 2 + bytes.length);
}

const text = (line: string): Buffer => Buffer.from(line, 'latin1');
const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex');

/** A version 2 header of the four words and what follows, with its length. */
function v2(versionAndFamily: string, body: string): Buffer {
  const bytes = hex(body);
  return Buffer.concat([hex(signature + versionAndFamily), hex(bytes.length.toString(16).padStart(4, '0')), bytes]);
}

const inet = '0a000001 0a000002 d431 01bb';

describe('PROXY header, version 1', () => {
  const accepted: readonly (readonly [line: string, expected: object])[] = [
    [
      'PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n',
      { family: 'inet', sourceAddress: '192.168.0.1', sourcePort: 56_324, destinationAddress: '192.168.0.11', destinationPort: 443 },
    ],
    [
      'PROXY TCP6 2001:DB8::1 ::1 0 65535\r\nGET',
      { family: 'inet6', sourceAddress: '2001:db8::1', sourcePort: 0, destinationAddress: '::1', destinationPort: 65_535, bytes: 36 },
    ],
    ['PROXY TCP6 ::ffff:1.2.3.4 ::1 1 2\r\n', { family: 'inet6', sourceAddress: '1.2.3.4' }],
    ['PROXY UNKNOWN\r\n', { family: 'unspec', command: 'proxy', sourceAddress: '', bytes: 15 }],
    ['PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n', { family: 'unspec', sourceAddress: '' }],
    [`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`, { family: 'unspec', bytes: 107 }],
  ];
  for (const [line, expected] of accepted) {
    it(JSON.stringify(line.slice(0, 60)), () =>
      assert.partialDeepStrictEqual(read(text(line)), { kind: 'header', version: 1, ...expected }),
    );
  }

  const refused: readonly (readonly [line: string, details: string])[] = [
    ['PROXY TCP4 1.2.3.4 1.2.3.5 1 2\n', 'v1_byte_invalid'],
    ['PROXY TCP4 1.2.3.4 1.2.3.5 1 2\rX', 'v1_bare_cr'],
    ['PROXY TCP4 1.2.3.4 1.2.3.5 1\t2', 'v1_byte_invalid'],
    ['PROXY TCP4  1.2.3.4 1.2.3.5 1 2\r\n', 'v1_fields_invalid'],
    ['PROXY TCP4 1.2.3.4 1.2.3.5 1 2 \r\n', 'v1_fields_invalid'],
    ['PROXY TCP4 1.2.3.4 1.2.3.5 1\r\n', 'v1_fields_invalid'],
    ['PROXY TCP4 01.2.3.4 1.2.3.5 1 2\r\n', 'v1_address_invalid'],
    ['PROXY TCP4 ::1 ::1 1 2\r\n', 'v1_address_invalid'],
    ['PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n', 'v1_address_invalid'],
    ['PROXY TCP6 fe80::1%1 ::1 1 2\r\n', 'v1_address_invalid'],
    ['PROXY TCP4 1.2.3.4 1.2.3.5 01 2\r\n', 'v1_port_invalid'],
    ['PROXY TCP4 1.2.3.4 1.2.3.5 1 65536\r\n', 'v1_port_invalid'],
    ['PROXY TCP4 1.2.3.4 1.2.3.5 -1 2\r\n', 'v1_port_invalid'],
    ['PROXY UDP4 1.2.3.4 1.2.3.5 1 2\r\n', 'v1_protocol_invalid'],
    ['PROXY tcp4 1.2.3.4 1.2.3.5 1 2\r\n', 'v1_protocol_invalid'],
    ['PROXY \r\n', 'v1_protocol_invalid'],
    [`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`, 'v1_too_long'],
    [`PROXY UNKNOWN ${'x'.repeat(200)}`, 'v1_too_long'],
  ];
  for (const [line, details] of refused) {
    it(`refuses ${JSON.stringify(line.slice(0, 60))}`, () =>
      assert.deepEqual(read(text(line)), { kind: 'error', details: `proxy_protocol.${details}` }));
  }

  it('says at the first byte that differs that there is none', () => {
    for (const line of ['G', 'PO', 'PROXZ', 'proxy ', '\r\nG', ' PROXY']) assert.equal(read(text(line)).kind, 'absent', line);
    for (const line of ['', 'P', 'PROXY', 'PROXY ', '\r\n', '\r\n\r\n\0\r\nQUIT']) assert.equal(read(text(line)).kind, 'more', line);
  });
});

describe('PROXY header, version 2', () => {
  const accepted: readonly (readonly [name: string, bytes: Buffer, expected: object])[] = [
    [
      'TCP over IPv4',
      v2('2111', inet),
      { family: 'inet', sourceAddress: '10.0.0.1', sourcePort: 54_321, destinationAddress: '10.0.0.2', destinationPort: 443, bytes: 28 },
    ],
    [
      'TCP over IPv6, bytes behind it',
      Buffer.concat([v2('2121', `20010db8${'00'.repeat(11)}01 ${'00'.repeat(15)}01 0001 0002`), text('GET /')]),
      { family: 'inet6', sourceAddress: '2001:db8::1', destinationAddress: '::1', sourcePort: 1, destinationPort: 2, bytes: 52 },
    ],
    ['LOCAL', v2('2000', ''), { command: 'local', family: 'unspec', bytes: 16 }],
    ['LOCAL with addresses and rubbish: not looked at', v2('20f7', `${inet}ffff`), { command: 'local', sourceAddress: '', bytes: 30 }],
    ['UNSPEC', v2('2100', ''), { command: 'proxy', family: 'unspec', bytes: 16 }],
    [
      'Unix sockets',
      v2('2131', `2f${'61'.repeat(107)}00${'62'.repeat(3)}${'00'.repeat(104)}`),
      { family: 'unix', sourceAddress: `/${'a'.repeat(107)}`, destinationAddress: '@bbb' },
    ],
    ['authority and ALPN', v2('2111', `${inet} 02000b 4578616d706c652e636f6d 010002 6832`), { authority: 'example.com', alpn: 'h2' }],
    [
      'TLS with a certificate',
      v2('2111', `${inet} 20001a 07 00000000 210007 544c5376312e33 220001 78 230004 41455331`),
      { tls: { client: 7, verified: true, version: 'TLSv1.3', cipher: 'AES1', commonName: 'x' } },
    ],
    ['TLS without a certificate', v2('2111', `${inet} 200005 01 00000000`), { tls: { client: 1, verified: false } }],
    ['no-ops and what is unknown', v2('2111', `${inet} 040001 00 040000 ea0003 017670`), { tlvs: [{ type: 0xea, value: hex('017670') }] }],
  ];
  for (const [name, bytes, expected] of accepted) {
    it(name, () => assert.partialDeepStrictEqual(read(bytes), { kind: 'header', version: 2, ...expected }));
  }

  const refused: readonly (readonly [name: string, bytes: Buffer, details: string])[] = [
    ['version 1 in binary', hex(`${signature}11`), 'v2_version_invalid'],
    ['version 3', hex(`${signature}31`), 'v2_version_invalid'],
    ['a reserved command', hex(`${signature}22`), 'v2_command_invalid'],
    ['a reserved family', v2('2141', inet), 'v2_family_invalid'],
    ['datagrams', v2('2112', inet), 'v2_family_invalid'],
    ['a reserved transport', v2('2113', inet), 'v2_family_invalid'],
    ['a family without transport', v2('2110', inet), 'v2_family_invalid'],
    ['a path that is none', v2('2131', `61${'00'.repeat(215)}`), 'v2_path_invalid'],
    ['a path with a line end', v2('2131', `2f0d0a61${'00'.repeat(212)}`), 'v2_path_invalid'],
    ['an abstract name that is not ASCII', v2('2131', `${'00'.repeat(108)}0061ff${'00'.repeat(105)}`), 'v2_path_invalid'],
    ['too short for its addresses', v2('2121', inet), 'v2_too_short'],
    ['more than is read', hex(`${signature}2111ffff`), 'v2_too_long'],
    ['a value cut in its head', v2('2111', `${inet} 0400`), 'v2_tlv_truncated'],
    ['a value that leaves the header', v2('2111', `${inet} ea0005 00`), 'v2_tlv_truncated'],
    ['two authorities', v2('2111', `${inet} 020001 61 020001 62`), 'v2_tlv_twice'],
    ['an authority with a space', v2('2111', `${inet} 020003 612062`), 'v2_authority_invalid'],
    ['an authority with a NUL', v2('2111', `${inet} 020003 610062`), 'v2_authority_invalid'],
    ['an empty ALPN', v2('2111', `${inet} 010000`), 'v2_alpn_invalid'],
    ['a unique id of 129 bytes', v2('2111', `${inet} 050081 ${'61'.repeat(129)}`), 'v2_unique_id_too_long'],
    ['TLS cut short', v2('2111', `${inet} 200004 00000000`), 'v2_ssl_invalid'],
    ['TLS whose text leaves it', v2('2111', `${inet} 200009 00000000 00 210002 61`), 'v2_ssl_invalid'],
    ['a wrong checksum', v2('2111', `${inet} 030004 00000000`), 'v2_checksum_invalid'],
    ['a short checksum', v2('2111', `${inet} 030000`), 'v2_checksum_invalid'],
    ['300 no-ops', v2('2111', `${inet} ${'040000'.repeat(300)}`), 'v2_too_many_tlvs'],
  ];
  for (const [name, bytes, details] of refused) {
    it(`refuses ${name}`, () => assert.deepEqual(read(bytes), { kind: 'error', details: `proxy_protocol.${details}` }));
  }

  it('refuses 33 values that it would have to keep', () => {
    const values = Array.from({ length: 33 }, (_, i) => `${(0xc0 + i).toString(16)}0000`).join('');
    assert.deepEqual(read(v2('2111', inet + values)), { kind: 'error', details: 'proxy_protocol.v2_too_many_tlvs' });
  });

  it('keeps copies: the buffer may be written over', () => {
    const bytes = v2('2111', `${inet} ea0003 017670`);
    const header = readProxyHeader(bytes, 0, bytes.length);
    bytes.fill(0);
    assert.partialDeepStrictEqual(header, { tlvs: [{ value: hex('017670') }] });
  });

  it('is bounded', () => assert.ok(MAX_PROXY_HEADER_BYTES < 65_551));
});

describe('PROXY header, written', () => {
  const v4: ProxyAddresses = { sourceAddress: '10.1.2.3', sourcePort: 40_000, destinationAddress: '10.9.9.9', destinationPort: 80 };
  const v6: ProxyAddresses = { ...v4, sourceAddress: '2001:db8::7', destinationAddress: '::1' };
  const unix: ProxyAddresses = { sourceAddress: '', sourcePort: 0, destinationAddress: '/run/a.sock', destinationPort: 0 };
  const all: ProxyDetails = {
    authority: 'a.example',
    alpn: 'h2',
    uniqueId: 'id-1',
    tls: { version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', commonName: 'client', hasCertificate: true, verified: true },
    checksum: true,
  };

  it('version 1', () => {
    assert.equal(writeProxyV1(v4).toString(), 'PROXY TCP4 10.1.2.3 10.9.9.9 40000 80\r\n');
    assert.equal(writeProxyV1(v6).toString(), 'PROXY TCP6 2001:db8:0:0:0:0:0:7 0:0:0:0:0:0:0:1 40000 80\r\n');
    assert.equal(
      writeProxyV1({ ...v4, destinationAddress: '::1' }).toString(),
      'PROXY TCP6 0:0:0:0:0:ffff:a01:203 0:0:0:0:0:0:0:1 40000 80\r\n',
    );
    assert.equal(writeProxyV1(unix).toString(), 'PROXY UNKNOWN\r\n');
    assert.equal(writeProxyV1(null).toString(), 'PROXY UNKNOWN\r\n');
  });

  it('version 2 in bytes', () => {
    assert.equal(writeProxyV2(v4).toString('hex'), `${signature}2111000c0a0102030a0909099c400050`);
    assert.equal(writeProxyV2(null, all).toString('hex'), `${signature}20000000`);
    assert.equal(writeProxyV2({ ...v4, sourceAddress: 'nobody' }).toString('hex'), `${signature}21000000`);
  });

  const roundTrips: readonly (readonly [name: string, bytes: Buffer, expected: object])[] = [
    ['v1 IPv4', writeProxyV1(v4), { ...v4, family: 'inet' }],
    ['v1 IPv6', writeProxyV1(v6), { ...v6, family: 'inet6' }],
    ['v2 IPv4', writeProxyV2(v4), { ...v4, family: 'inet' }],
    ['v2 IPv6', writeProxyV2(v6), { ...v6, family: 'inet6' }],
    ['v2 mixed', writeProxyV2({ ...v6, sourceAddress: '10.1.2.3' }), { ...v6, sourceAddress: '10.1.2.3', family: 'inet6' }],
    ['v2 unix', writeProxyV2(unix), { ...unix, family: 'unix' }],
    ['v2 abstract', writeProxyV2({ ...unix, destinationAddress: '@name' }), { destinationAddress: '@name', family: 'unix' }],
    ['v2 with a path too long', writeProxyV2({ ...unix, destinationAddress: `/${'x'.repeat(108)}` }), { family: 'unspec' }],
    [
      'v2 with everything',
      writeProxyV2(v4, all),
      {
        ...v4,
        authority: 'a.example',
        alpn: 'h2',
        tls: { client: 7, verified: true, version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', commonName: 'client' },
        tlvs: [{ type: 5, value: text('id-1') }],
      },
    ],
  ];
  for (const [name, bytes, expected] of roundTrips) {
    it(`${name} reads as it was written, whole and cut anywhere`, () => {
      const whole = read(bytes);
      assert.partialDeepStrictEqual(whole, { kind: 'header', bytes: bytes.length, ...expected });
      for (let i = 0; i < bytes.length; i++) assert.equal(read(bytes.subarray(0, i)).kind, 'more', `after ${i} bytes`);
    });
  }

  it('the checksum covers every byte', () => {
    const bytes = writeProxyV2(v4, all);
    for (let i = 16; i < 28; i++) {
      const other = Buffer.from(bytes);
      other[i] ^= 1;
      assert.deepEqual(read(other), { kind: 'error', details: 'proxy_protocol.v2_checksum_invalid' }, `byte ${i}`);
    }
  });
});
