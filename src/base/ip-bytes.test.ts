import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32c } from './crc32c.ts';
import { ipBytes, ipText } from './ip-bytes.ts';

describe('addresses as bytes', () => {
  const rows: readonly (readonly [text: string, hex: string, again?: string])[] = [
    ['127.0.0.1', '7f000001'],
    ['255.255.255.255', 'ffffffff'],
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['1::', `0001${'0'.repeat(28)}`],
    ['2001:DB8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001'],
    ['1:0:0:2:0:0:0:3', '00010000000000020000000000000003', '1:0:0:2::3'],
    ['fe80::1:0', 'fe800000000000000000000000010000'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['::ffff:10.1.2.3', '00000000000000000000ffff0a010203', '10.1.2.3'],
    ['64:ff9b::10.1.2.3', '0064ff9b00000000000000000a010203', '64:ff9b::a01:203'],
    ['1:2:3:4:5:6:10.1.2.3', '0001000200030004000500060a010203', '1:2:3:4:5:6:a01:203'],
  ];
  for (const [text, hex, again = text] of rows) {
    it(text, () => {
      const bytes = ipBytes(text);
      assert.equal(bytes?.toString('hex'), hex);
      assert.equal(ipText(Buffer.concat([Buffer.from('xx'), bytes]), 2, bytes.length === 4 ? 4 : 16), again);
    });
  }

  for (const text of ['', '1.2.3', '01.2.3.4', '1.2.3.256', '1.2.3.4 ', ':', '1:2', 'fe80::1%eth0', '::g', '1::2::3', 'localhost']) {
    it(`'${text}' is none`, () => assert.equal(ipBytes(text), null));
  }
});

describe('crc32c', () => {
  // RFC 3720 appendix B.4.
  const rows: readonly (readonly [name: string, bytes: Buffer, sum: number])[] = [
    ['zeros', Buffer.alloc(32), 0x8a9136aa],
    ['ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['ascending', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
    ['check value', Buffer.from('123456789'), 0xe3069283],
  ];
  for (const [name, bytes, sum] of rows) {
    it(name, () => {
      assert.equal(crc32c(bytes, 0, bytes.length), sum);
      assert.equal(crc32c(bytes, 4, bytes.length, crc32c(bytes, 0, 4)), sum);
    });
  }
});
