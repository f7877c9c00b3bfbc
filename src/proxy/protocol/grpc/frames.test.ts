import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { frameMessage, GrpcFrames } from './frames.ts';

const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex');

const rows: readonly (readonly [name: string, bytes: Buffer, expected: Partial<GrpcFrames>, maxMessageBytes?: number])[] = [
  ['nothing', hex(''), { messages: 0, error: '', inMessage: false }],
  ['an empty message', hex('00 00000000'), { messages: 1, compressed: 0, inMessage: false }],
  ['three messages, one compressed', hex('00 00000001 aa 01 00000002 bbbb 00 00000000'), { messages: 3, compressed: 1, inMessage: false }],
  ['a cut head', hex('00 000000'), { messages: 0, error: '', inMessage: true }],
  ['a cut message', hex('00 00000003 aaaa'), { messages: 0, error: '', inMessage: true }],
  ['a flag of 2', hex('00 00000000 02 00000000'), { messages: 1, error: 'grpc.frame_flag_invalid' }],
  ['text', Buffer.from('<html>'), { messages: 0, error: 'grpc.frame_flag_invalid' }],
  ['as large as allowed', hex('00 00000003 aaaaaa'), { messages: 1, error: '' }, 3],
  ['larger than allowed', hex('00 00000004 aaaaaaaa'), { messages: 0, error: 'grpc.message_too_large' }, 3],
  ['4 GiB', hex('00 ffffffff aa'), { messages: 0, error: '', inMessage: true }],
];

describe('gRPC messages', () => {
  for (const [name, bytes, expected, maxMessageBytes] of rows) {
    it(name, () => {
      const whole = new GrpcFrames(maxMessageBytes);
      assert.equal(whole.read(Buffer.concat([hex('ff'), bytes, hex('ff')]), 1, 1 + bytes.length), whole.error === '');
      const cut = new GrpcFrames(maxMessageBytes);
      for (let i = 0; i < bytes.length; i++) cut.read(bytes, i, i + 1);
      for (const frames of [whole, cut]) {
        const { messages, compressed, error, inMessage } = frames;
        assert.partialDeepStrictEqual({ messages, compressed, error, inMessage }, expected);
      }
    });
  }

  it('are read as they are framed', () => {
    const frames = new GrpcFrames(300);
    const bytes = Buffer.concat([frameMessage(Buffer.alloc(0)), frameMessage(Buffer.alloc(300, 1))]);
    assert.ok(frames.read(bytes, 0, bytes.length));
    assert.equal(frames.messages, 2);
    assert.equal(bytes.length, 310);
  });
});
