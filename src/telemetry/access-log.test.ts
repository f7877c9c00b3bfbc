import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { blankRecord } from '../../tests/support/record.ts';
import { defaultFormat, envoyFormat, jsonFormat, lineOf, logFormat, LogBatcher, textFormat } from './access-log.ts';
import { giveBack } from './log/slots.ts';
import { maxValueChars } from './log/escape.ts';
import type { ExchangeRecord, LineFormat } from './record.ts';

const record = blankRecord(
  {
    startMs: Date.UTC(2026, 10, 5, 4, 7, 9, 42),
    method: 'POST',
    authority: 'shop.example.com:8080',
    originalPath: '/cart/items?id=7&note=a%20b',
    path: '/v2/items?id=7&note=a%20b',
    responseCode: 201,
    bytesReceived: 11,
    bytesSent: 22,
    durationMs: 12.3456,
    requestDurationMs: 1.5,
    responseDurationMs: 10.25,
    upstreamServiceTimeMs: 8.25,
    upstreamHost: '10.0.0.1:9000',
    upstreamLocalAddress: '10.0.0.9:40000',
    upstreamCluster: 'outbound|80||cart',
    upstreamAttempts: 2,
    routeName: 'cart',
    virtualHost: 'shop',
    listener: '0.0.0.0:8080',
    downstreamRemoteAddress: '192.0.2.7:1234',
    downstreamDirectRemoteAddress: '192.0.2.8:5678',
    downstreamLocalAddress: '[::1]:8080',
    connectionId: 5,
    requestId: 'req-1',
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    principal: 'spiffe://x',
    consumer: 'ann',
    revision: 3,
  },
  { 'user-agent': 'curl/8', 'x-forwarded-for': '198.51.100.1', 'x-a': 'A', 'grpc-status': '5' },
);

function line(format: string, of: ExchangeRecord = record): string {
  const compiled = envoyFormat(format);
  assert.ok(compiled.ok, compiled.ok ? '' : compiled.error);
  return lineOf(compiled.value, of);
}

describe('envoyFormat', () => {
  const rows: readonly (readonly [name: string, format: string, want: string])[] = [
    ['text without operators', 'hello', 'hello'],
    ['an escaped percent sign', '100%% of %PROTOCOL%', '100% of HTTP/1.1'],
    ['a trailing newline of the format is dropped', '%PROTOCOL%\n', 'HTTP/1.1'],
    ['start time in ISO form', '%START_TIME%', '2026-11-05T04:07:09.042Z'],
    ['start time by strftime', '%START_TIME(%Y/%m/%dT%H:%M:%S%z)%', '2026/11/05T04:07:09+0000'],
    ['epoch seconds and milliseconds', '%START_TIME(%s.%3f)%', '1793851629.042'],
    ['nine places without a number', '%START_TIME(%f)%', '042000000'],
    ['six places', '%START_TIME(%6f)%', '042000'],
    ["abseil's seconds with a fraction", '%START_TIME(%E3S)%', '09.042'],
    ['names of day and month, padded with a space', '%START_TIME(%a %A %b %B %e %j %p %I)%', 'Thu Thursday Nov November  5 309 AM 04'],
    ['a percent sign in a time', '%START_TIME(%%Y %F %T %D %R %y)%', '%Y 2026-11-05 04:07:09 11/05/26 04:07 26'],
    [
      'pseudo-headers',
      '%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(:SCHEME)%',
      'POST /v2/items?id=7&note=a%20b shop.example.com:8080 http',
    ],
    ['the original path where a route rewrote it', '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%', '/cart/items?id=7&note=a%20b'],
    ['a request header, by any case', '%REQ(User-Agent)%', 'curl/8'],
    ['an absent header', '%REQ(X-NONE)%', '-'],
    ['the second header when the first is absent', '%REQ(X-NONE?X-A)%', 'A'],
    ['cut to a length', '%REQ(USER-AGENT):4%', 'curl'],
    ['the request id that Weir made', '%REQ(X-REQUEST-ID)% %STREAM_ID%', 'req-1 req-1'],
    ['response header and pseudo-header', '%RESP(X-A)% %RESP(:STATUS)%', 'A 201'],
    ['upstream service time when no header carries it', '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%', '8'],
    ['a trailer', '%TRAILER(X-A)%', 'A'],
    [
      'gRPC status by name, snake case and number',
      '%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)%',
      'NotFound NOT_FOUND 5',
    ],
    [
      'sizes and times are whole numbers',
      '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%',
      '11 22 12 1 10 2',
    ],
    ['duration between two points', '%COMMON_DURATION(US_TX_END:US_RX_BEG:us)%', '8250'],
    [
      'upstream',
      '%UPSTREAM_HOST% %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_PROTOCOL%',
      '10.0.0.1:9000 outbound|80||cart 10.0.0.9:40000 2 HTTP/1.1',
    ],
    [
      'addresses without port, port alone',
      '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_PORT%',
      '192.0.2.7 192.0.2.8:5678 [::1] 8080',
    ],
    ['a query parameter, decoded', '%QUERY_PARAM(note)% %QUERY_PARAM(none)%', 'a b -'],
    ['paths with and without query', '%PATH(NQ)% %PATH(NQ:PATH)% %PATH%', '/cart/items /v2/items /cart/items?id=7&note=a%20b'],
    ['plain text connections have no TLS', '%DOWNSTREAM_TLS_VERSION%', '-'],
    ['flags are a dash when there are none', '%RESPONSE_FLAGS%', '-'],
    ["Weir's own", '%REVISION% %PRINCIPAL% %CONSUMER%', '3 spiffe://x ann'],
    [
      'route, virtual host, connection',
      '%ROUTE_NAME% %VIRTUAL_HOST_NAME% %CONNECTION_ID% %TRACE_ID% %RESPONSE_CODE_DETAILS%',
      'cart shop 5 4bf92f3577b34da6a3ce929d0e0e4736 via_upstream',
    ],
  ];
  for (const [name, format, want] of rows) it(name, () => assert.equal(line(format), want));

  it('flags have long names, unknown ones stay', () => {
    assert.equal(
      line('%RESPONSE_FLAGS_LONG%', { ...record, responseFlags: 'UF,URX,ZZ' }),
      'UpstreamConnectionFailure,UpstreamRetryLimitExceeded,ZZ',
    );
  });

  it('ENVIRONMENT is read when the format is compiled', () => {
    process.env['WEIR_TEST_LOG'] = 'blue';
    assert.equal(line('%ENVIRONMENT(WEIR_TEST_LOG)% %ENVIRONMENT(WEIR_TEST_NONE)%'), 'blue -');
    delete process.env['WEIR_TEST_LOG'];
  });

  it('UNIQUE_ID differs from line to line', () => assert.notEqual(line('%UNIQUE_ID%'), line('%UNIQUE_ID%')));

  const errors: readonly (readonly [name: string, format: string, want: RegExp])[] = [
    ['an operator that does not exist', 'a %NO_SUCH%', /^column 3: %NO_SUCH%: there is no such operator/],
    ['an operator that Weir cannot fill', '%DYNAMIC_METADATA(a:b)%', /^column 1: .*cannot fill it yet/],
    ['a lone percent sign', '100% sure', /^column 4: '% sure' is not an operator; write %%/],
    ['an operator without its end', '%REQ(X', /^column 1: '%REQ\(X' is not an operator/],
    ['an argument where there is none', '%PROTOCOL(X)%', /takes no argument/],
    ['a header name that is none', '%REQ(A B)%', /wants a header name/],
    ['three header names', '%REQ(A?B?C)%', /wants a header name/],
    ['no header name', '%REQ%', /wants a header name/],
    ['an unknown pseudo-header', '%REQ(:X)%', /no request pseudo-header :x/],
    ['a time specifier that is none', '%START_TIME(%Q)%', /%Q is not a time specifier/],
    ['a time format that would break the line', '%START_TIME(%n)%', /%n is not a time specifier/],
    ['an unknown point', '%COMMON_DURATION(A:B)%', /knows the points DS_RX_BEG/],
    ['an object property as an operator', '%CONSTRUCTOR%', /no such operator/],
  ];
  for (const [name, format, want] of errors) {
    it(`refuses ${name}`, () => {
      const result = envoyFormat(format);
      assert.ok(!result.ok);
      assert.match(result.error, want);
    });
  }

  it('never throws, whatever the format', () => {
    const pieces = fc.constantFrom('%', '%%', 'REQ', '(', ')', ':', 'START_TIME', '%Y', '9', '?', 'x', '\n', 'DURATION');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (list) => {
        const compiled = envoyFormat(list.join(''));
        if (compiled.ok) lineOf(compiled.value, record);
      }),
    );
  });

  it('says what has to be captured', () => {
    const compiled = envoyFormat('%REQ(X-A?X-B)% %RESP(X-C)% %TRAILER(X-D)% %REQ(:PATH)%');
    assert.ok(compiled.ok);
    assert.deepEqual(compiled.value.needs, { requestHeaders: ['x-a', 'x-b'], responseHeaders: ['x-c'], responseTrailers: ['x-d'] });
  });
});

describe('textFormat', () => {
  it("is Envoy's default line", () => {
    assert.equal(
      lineOf(textFormat, record),
      '[2026-11-05T04:07:09.042Z] "POST /cart/items?id=7&note=a%20b HTTP/1.1" 201 - 11 22 12 8 "198.51.100.1" "curl/8" "req-1" "shop.example.com:8080" "10.0.0.1:9000"',
    );
    assert.match(defaultFormat, /^\[%START_TIME%\]/);
  });
});

describe('lines of layer 4', () => {
  const connection = blankRecord({
    ...{ method: '', authority: '', originalPath: '', path: '', protocol: 'TLS', responseCode: 0, responseCodeDetails: '' },
    ...{ startMs: Date.UTC(2026, 10, 5), bytesReceived: 11, bytesSent: 22, durationMs: 1234.5, responseFlags: 'UF,URX' },
    ...{ upstreamHost: '10.0.0.1:9000', requestedServerName: 'a.example.com' },
  });

  it("what belongs to requests is a dash in Envoy's default line", () => {
    assert.equal(
      lineOf(textFormat, connection),
      '[2026-11-05T00:00:00.000Z] "- - -" 0 UF,URX 11 22 1234 - "-" "-" "-" "-" "10.0.0.1:9000"',
    );
  });
  it('operators', () => {
    assert.equal(line('%PROTOCOL% %UPSTREAM_PROTOCOL% %REQUESTED_SERVER_NAME%', connection), '- - a.example.com');
  });
  it('JSON says which protocol it is', () => {
    const value = JSON.parse(lineOf(jsonFormat, connection));
    assert.equal(value.protocol, 'TLS');
    assert.equal(value.method, null);
    assert.equal(value.path, null);
    assert.equal(value.response_code_details, null);
  });
});

describe('jsonFormat', () => {
  it('has the fields of the contract', () => {
    assert.deepEqual(JSON.parse(lineOf(jsonFormat, record)), {
      start_time: '2026-11-05T04:07:09.042Z',
      revision: 3,
      method: 'POST',
      authority: 'shop.example.com:8080',
      path: '/cart/items?id=7&note=a%20b',
      protocol: 'HTTP/1.1',
      response_code: 201,
      response_flags: '-',
      response_code_details: 'via_upstream',
      bytes_received: 11,
      bytes_sent: 22,
      duration_ms: 12.346,
      upstream_service_time_ms: 8.25,
      upstream_host: '10.0.0.1:9000',
      upstream_cluster: 'outbound|80||cart',
      route_name: 'cart',
      listener: '0.0.0.0:8080',
      downstream_remote_address: '192.0.2.7:1234',
      request_id: 'req-1',
      trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
      principal: 'spiffe://x',
      consumer: 'ann',
      user_agent: 'curl/8',
    });
  });

  it('writes null for what is not there', () => {
    const value = JSON.parse(lineOf(jsonFormat, blankRecord()));
    assert.equal(value.upstream_host, null);
    assert.equal(value.upstream_service_time_ms, null);
    assert.equal(value.user_agent, null);
  });

  it('has the name of the server where the client gave one', () => {
    assert.equal(
      JSON.parse(lineOf(jsonFormat, blankRecord({ requestedServerName: 'a.example.com' }))).requested_server_name,
      'a.example.com',
    );
    assert.equal('requested_server_name' in JSON.parse(lineOf(jsonFormat, blankRecord())), false);
  });

  it('has the status of a gRPC call', () => {
    assert.equal(JSON.parse(lineOf(jsonFormat, blankRecord({ grpcStatus: 14 }))).grpc_status, 14);
    assert.equal(JSON.parse(lineOf(jsonFormat, blankRecord({ grpcStatus: 0 }))).grpc_status, 0);
    for (const record of [blankRecord(), blankRecord({ grpcStatus: -1 })])
      assert.equal('grpc_status' in JSON.parse(lineOf(jsonFormat, record)), false);
  });

  it('gives back the UTF-8 that arrived as bytes', () => {
    const userAgent = Buffer.from('café ✓ \u2028').toString('latin1');
    assert.equal(JSON.parse(lineOf(jsonFormat, blankRecord({}, { 'user-agent': userAgent }))).user_agent, 'café ✓ \u2028');
  });
});

describe('hostile values', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc
      .array(fc.constantFrom('"', '\\', '\n', '\r', '\0', '\x1b[31m', '\x9b', '\u2028', '\ud800', 'ÿ', '%'), { maxLength: 20 })
      .map((list) => list.join('')),
  );

  it('stay in their line, their field and in ASCII', () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, (a, b, c) => {
        const of = blankRecord(
          { method: a, originalPath: b, path: b, authority: c, consumer: a, routeName: c, requestId: b },
          { 'user-agent': a, 'x-forwarded-for': c },
        );
        const json = lineOf(jsonFormat, of);
        const clean = /^[\u0020-\u007e]*$/;
        assert.match(json, clean);
        assert.equal(typeof JSON.parse(json), 'object');
        const text = lineOf(textFormat, of);
        assert.match(text, clean);
        assert.equal(text.replaceAll(/\\./g, '').split('"').length, 13, text);
      }),
      { numRuns: 500 },
    );
  });

  it('are cut off at a length', () => {
    assert.equal(JSON.parse(lineOf(jsonFormat, blankRecord({ consumer: 'x'.repeat(100_000) }))).consumer.length, maxValueChars);
  });
});

describe('logFormat', () => {
  it('takes text, json and format strings', () => {
    for (const name of ['text', 'json', '%PROTOCOL%']) assert.ok(logFormat(name).ok, name);
  });
  it('refuses a word that is neither', () => {
    const result = logFormat('jsn');
    assert.ok(!result.ok && result.error.includes("'jsn' is not a log format"));
  });
});

describe('LogBatcher', () => {
  const format: LineFormat = { needs: textFormat.needs, write: (r, out) => out.text(r.consumer) };

  it('hands over what there is when flushed, once', () => {
    const batches: Uint8Array[] = [];
    const batcher = new LogBatcher(format, (lines) => batches.push(lines));
    batcher.flush();
    batcher.add(blankRecord({ consumer: 'one' }));
    batcher.add(blankRecord({ consumer: 'zwölf' }));
    batcher.flush();
    batcher.flush();
    assert.deepEqual(
      batches.map((lines) => Buffer.from(lines).toString()),
      ['one\nzwölf\n'],
    );
  });

  const sent = Array.from({ length: 20_000 }, (_, i) => `${i}-${'x'.repeat(i % 97)}`);
  sent.push('y'.repeat(200_000));

  it('hands a full batch over by itself, every line whole and once, in buffers of its own while the shared ones wait', () => {
    const batches: Uint8Array[] = [];
    const batcher = new LogBatcher(format, (lines) => batches.push(lines));
    for (const consumer of sent) batcher.add(blankRecord({ consumer }));
    batcher.flush();
    const text = batches.map((lines) => Buffer.from(lines).toString()).join('');
    assert.deepEqual(text.split('\n').slice(0, -1), sent);
    const own = batches.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : []));
    assert.equal(batches.length - own.length, 4);
    assert.ok(own.length > 2);
    for (const buffer of own) {
      const { port1, port2 } = new MessageChannel();
      port1.postMessage(buffer, [buffer]);
      assert.equal(buffer.byteLength, 0);
      port1.close();
      port2.close();
    }
  });

  it('uses the shared buffers again once they are given back', () => {
    let text = '';
    const memories = new Set<ArrayBufferLike>();
    const batcher = new LogBatcher(format, (lines) => {
      text += Buffer.from(lines).toString();
      // The last line has outgrown its buffer.
      if (lines.length < 200_000) memories.add(lines.buffer);
      giveBack(lines);
    });
    for (const consumer of sent) batcher.add(blankRecord({ consumer }));
    batcher.flush();
    assert.deepEqual(text.split('\n').slice(0, -1), sent);
    assert.deepEqual(
      [...memories].map((memory) => memory instanceof SharedArrayBuffer),
      [true],
    );
  });
});
