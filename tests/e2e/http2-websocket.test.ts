/** WebSocket over HTTP/2 (RFC 8441): an extended CONNECT becomes an Upgrade towards the upstream. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import type { ClientHttp2Stream } from 'node:http2';
import { replyOf, securedRig, session, type Http2Rig } from '../support/http2.ts';
import type { BackendConnection } from '../support/raw.ts';

const accept = (request: string): string => {
  const key = /\r\nsec-websocket-key: (\S+)\r\n/.exec(request)?.[1] ?? '';
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
};
const switching = (request: string, more = ''): string =>
  `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept(request)}\r\n${more}\r\n`;

/** Answers the handshake, then sends everything back. */
function echo(connection: BackendConnection): void {
  connection.socket.once('data', () => {
    connection.socket.write(switching(connection.received, 'sec-websocket-protocol: chat\r\n'));
    connection.socket.on('data', (text: string) => connection.socket.write(text, 'latin1'));
    connection.socket.on('end', () => connection.socket.end());
  });
}

async function open(t: TestContext, rig: Http2Rig, more: object = {}): Promise<ClientHttp2Stream> {
  const client = await session(t, rig);
  if (client.remoteSettings.enableConnectProtocol !== true) await once(client, 'remoteSettings');
  return client.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/chat?room=1',
      ':authority': 'a.test',
      ':scheme': 'https',
      'sec-websocket-version': '13',
      ...more,
    },
    { endStream: false },
  );
}

await test('bytes go both ways, and the end of either side arrives', async (t) => {
  const rig = await securedRig(t, echo);
  const stream = await open(t, rig, { 'sec-websocket-protocol': 'chat', 'sec-websocket-key': 'bm90IHVzZWQgaGVyZSE=' });
  const [headers] = await once(stream, 'response');
  assert.equal(headers[':status'], 200);
  assert.equal(headers['sec-websocket-protocol'], 'chat');
  assert.equal(headers['sec-websocket-accept'], undefined);
  assert.equal(headers['upgrade'], undefined);
  const { received } = await rig.backend.connection(0);
  assert.match(received, /^GET \/chat\?room=1 HTTP\/1\.1\r\nhost: a\.test\r\n/);
  assert.match(received, /\r\nupgrade: websocket\r\n/);
  assert.match(received, /\r\nconnection: upgrade\r\n/);
  assert.match(received, /\r\nsec-websocket-version: 13\r\n/);
  assert.equal(received.split('sec-websocket-key').length, 2, 'one key, and ours');
  assert.doesNotMatch(received, /bm90IHVzZWQgaGVyZSE=|:protocol|content-length|transfer-encoding/);
  let back = '';
  stream.setEncoding('latin1').on('data', (text: string) => (back += text));
  for (const text of ['one', 'two', 'x'.repeat(300_000)]) {
    const before = back.length;
    stream.write(text);
    while (back.length < before + text.length) await once(stream, 'data');
  }
  stream.end();
  await once(stream, 'close');
  assert.equal(stream.rstCode, 0);
  assert.equal(back.length, 300_006);
  const [line] = await rig.rig.logged(1);
  assert.deepEqual(
    [line['response_code'], line['response_flags'], line['bytes_received'], line['bytes_sent'], line['protocol']],
    [200, '-', 300_006, 300_006, 'HTTP/2'],
  );
});

await test('bytes that come with the 101 are not lost', async (t) => {
  const rig = await securedRig(t, (connection) => {
    connection.socket.once('data', () => {
      connection.socket.write(`${switching(connection.received)}hello`);
      connection.socket.on('end', () => connection.socket.end());
    });
  });
  const stream = await open(t, rig);
  const [chunk] = await once(stream, 'data');
  assert.equal(String(chunk), 'hello');
  stream.end();
  await once(stream, 'close');
});

await test('the upstream ends first', async (t) => {
  const rig = await securedRig(t, (connection) => {
    connection.socket.once('data', () => {
      connection.socket.write(`${switching(connection.received)}bye`);
      connection.socket.end();
    });
  });
  const stream = await open(t, rig);
  const reply = replyOf(stream);
  stream.on('end', () => stream.end());
  const { body, code } = await reply;
  assert.deepEqual([body, code], ['bye', 0]);
  await rig.rig.logged(1);
});

await test('an upstream that breaks off resets the stream; a client that does ends the upstream', async (t) => {
  const rig = await securedRig(t, echo);
  const first = await open(t, rig);
  first.on('error', () => undefined);
  await once(first, 'response');
  (await rig.backend.connection(0)).socket.resetAndDestroy();
  await once(first, 'close');
  assert.equal(first.rstCode, 8, 'CANCEL');
  const second = await open(t, rig);
  second.on('error', () => undefined);
  await once(second, 'response');
  const connection = await rig.backend.connection(1);
  second.close(8);
  await connection.until(() => false);
  await rig.rig.logged(2);
});

await test('a refusal goes through; what is no handshake is not taken for one', async (t) => {
  const replies = [
    'HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno',
    'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhm',
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: bm9uc2Vuc2U=\r\n\r\n',
  ];
  const rig = await securedRig(t, (connection, index) => {
    connection.socket.once('data', () => connection.socket.write(replies[index]));
  });
  const seen: unknown[] = [];
  for (let i = 0; i < replies.length; i++) {
    const { status, body } = await replyOf(await open(t, rig));
    seen.push([status, status === 403 ? body : '']);
  }
  assert.deepEqual(seen, [
    [403, 'no'],
    [502, ''],
    [502, ''],
  ]);
  const lines = await rig.rig.logged(3);
  assert.deepEqual(
    lines.map((line) => line['response_code_details']),
    ['via_upstream', 'upstream_reset_before_response_started{status_invalid}', 'upstream_reset_before_response_started{handshake_invalid}'],
  );
});

await test('a tunnel without a byte ends', async (t) => {
  const rig = await securedRig(t, echo, { limits: { streamIdleTimeoutMs: 300 } });
  const stream = await open(t, rig);
  stream.on('error', () => undefined);
  await once(stream, 'response');
  await once(stream, 'close');
  assert.equal(stream.rstCode, 8);
});

await test('a tunnel lives no longer than maxUpgradeMs', async (t) => {
  const rig = await securedRig(t, echo, { limits: { maxUpgradeMs: 300 } });
  const stream = await open(t, rig);
  stream.on('error', () => undefined);
  await once(stream, 'response');
  const timer = setInterval(() => stream.destroyed || stream.write('busy'), 20);
  t.after(() => clearInterval(timer));
  await once(stream, 'close');
  assert.equal(stream.rstCode, 8);
});
