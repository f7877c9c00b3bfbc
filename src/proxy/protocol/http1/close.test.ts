import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { proxied } from '../../../../tests/support/proxied.ts';
import { answering } from '../../../../tests/support/raw.ts';

const megabytes = 8_000_000;
const small = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello';
const large = `HTTP/1.1 200 OK\r\ncontent-length: ${megabytes}\r\n\r\n${'x'.repeat(megabytes)}`;

const requests = [
  { name: 'Connection: close', head: 'GET /PATH HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n', ends: false },
  { name: 'HTTP/1.0', head: 'GET /PATH HTTP/1.0\r\nHost: a.test\r\n\r\n', ends: false },
  { name: 'a half-closed connection', head: 'GET /PATH HTTP/1.1\r\nHost: a.test\r\n\r\n', ends: true },
];

for (const { name, head, ends } of requests)
  for (const path of ['small', 'large'])
    await test(`${name}, ${path} answer: all of it, then an orderly end`, { timeout: 30_000 }, async (t) => {
      const { rig, port } = await proxied(
        t,
        answering((request) => (request.includes('/large') ? large : small)),
      );
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      const errors: unknown[] = [];
      socket.on('error', (error) => errors.push(error));
      socket.pause();
      socket.write(head.replace('PATH', path));
      if (ends) socket.end();
      // Reads only once the proxy has no more room for the large one.
      await once(socket, 'connect');
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
      let bytes = 0;
      let first = '';
      for await (const chunk of socket) {
        assert.ok(Buffer.isBuffer(chunk));
        if (bytes === 0) first = chunk.toString('latin1', 0, 400);
        bytes += chunk.length;
      }
      socket.end();
      assert.match(first, /^HTTP\/1\.1 200 OK\r\n/);
      assert.equal(bytes, first.indexOf('\r\n\r\n') + 4 + (path === 'large' ? megabytes : 5));
      assert.deepEqual(errors, []);
      const [line] = await rig.logged(1);
      assert.deepEqual([line['response_code'], line['response_flags']], [200, '-']);
    });

await test(
  'a connection that never asks is closed without a word after the time for a head, one that has asked may wait',
  { timeout: 30_000 },
  async (t) => {
    const { port } = await proxied(
      t,
      answering(() => small),
      { limits: { headTimeoutMs: 700 } },
    );
    const asked = connect(port, '127.0.0.1');
    asked.write('GET /small HTTP/1.1\r\nHost: a.test\r\n\r\n');
    await once(asked, 'data');
    // Opened later: where both counted from their beginning, the other one would go first.
    const silent = connect(port, '127.0.0.1');
    const answers: unknown[] = [];
    silent.on('data', (bytes) => answers.push(bytes));
    await once(silent, 'end');
    silent.destroy();
    assert.deepEqual(answers, []);
    asked.write('GET /small HTTP/1.1\r\nHost: a.test\r\n\r\n');
    const [again]: Buffer[] = await once(asked, 'data');
    assert.match(again.toString(), /^HTTP\/1\.1 200 OK\r\n/);
    asked.destroy();
  },
);
