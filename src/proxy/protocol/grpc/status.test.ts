import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { grpcMessage, grpcStatusOf, grpcStatusOfHttp, grpcTimeout, grpcTimeoutMs, isGrpcType } from './status.ts';

describe('what gRPC says', () => {
  const types: readonly (readonly [type: string | null, want: boolean])[] = [
    ['application/grpc', true],
    ['application/grpc+proto', true],
    ['application/grpc;charset=utf-8', true],
    ['Application/gRPC+json', true],
    ['application/grpc-web', false],
    ['application/grpc-web+proto', false],
    ['application/json', false],
    ['', false],
    [null, false],
  ];
  for (const [type, want] of types) {
    it(`${type ?? 'no type'} is ${want ? '' : 'not '}gRPC`, () => assert.equal(isGrpcType(type), want));
  }

  const timeouts: readonly (readonly [field: string | null, want: number | null])[] = [
    ['100m', 100],
    ['1S', 1000],
    ['2M', 120_000],
    ['1H', 3_600_000],
    ['1500u', 2],
    ['1n', 1],
    ['99999999H', 99_999_999 * 3_600_000],
    ['0m', 0],
    ['123456789m', null],
    ['1', null],
    ['-1S', null],
    ['1.5S', null],
    ['1s', null],
    ['', null],
    [null, null],
  ];
  for (const [field, want] of timeouts)
    it(`a deadline of ${field ?? 'nothing'} is ${want} ms`, () => assert.equal(grpcTimeoutMs(field), want));

  it('writes a deadline with at most eight digits, never none', () => {
    const rows: readonly (readonly [ms: number, want: string])[] = [
      [1500.7, '1500m'],
      [0.2, '1m'],
      [-5, '1m'],
      [99_999_999, '99999999m'],
      [100_000_000, '100000S'],
      [1e14, '99999999M'],
    ];
    for (const [ms, want] of rows) {
      assert.equal(grpcTimeout(ms), want);
      const read = grpcTimeoutMs(grpcTimeout(ms));
      assert.ok(read !== null && read > 0);
    }
  });

  it('percent-encodes messages', () => {
    assert.equal(grpcMessage('no healthy upstream'), 'no healthy upstream');
    assert.equal(grpcMessage('50% größer\n'), '50%25 gr%C3%B6%C3%9Fer%0A');
  });

  it('reads codes, and takes for unknown what is none', () => {
    for (const [value, want] of [
      ['0', 0],
      ['16', 16],
      ['17', 2],
      ['abc', 2],
      ['', 2],
      ['-1', 2],
    ] as const)
      assert.equal(grpcStatusOf(value), want);
    assert.equal(grpcStatusOf(null), -1);
  });

  it('maps statuses of HTTP as gRPC lists them', () => {
    const rows = [400, 401, 403, 404, 429, 502, 503, 504, 200, 301, 408, 418, 500].map((status) => grpcStatusOfHttp(status));
    assert.deepEqual(rows, [13, 16, 7, 12, 14, 14, 14, 14, 2, 2, 2, 2, 2]);
  });
});
