/** Connections that have been idle for a moment give back what reads and answers their requests: nobody must notice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import type { Parked } from '../support/parking-worker.ts';
import { body, hello, proxied } from '../support/proxied.ts';
import { RawClient } from '../support/raw.ts';

/** Which connections of a worker were parked, and how often. */
class Parkings {
  private readonly counts = new Map<number, number>();
  private readonly waiting: (() => void)[] = [];

  constructor(worker: Worker) {
    worker.on('message', (message: Parked | { readonly type: 'other' }) => {
      if (message.type !== 'parked') return;
      this.counts.set(message.port, (this.counts.get(message.port) ?? 0) + 1);
      for (const run of this.waiting.splice(0)) run();
    });
  }

  /** Resolves once the client's connection has been parked this often. */
  async of({ socket: { localPort = 0 } }: RawClient, times = 1): Promise<void> {
    while ((this.counts.get(localPort) ?? 0) < times) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
}

await test('parked connections', { timeout: 60_000 }, async (t) => {
  const { rig, port } = await proxied(
    t,
    (connection) => {
      let answered = 0;
      const answer = (): void => {
        const requests = connection.received.split(/(?=(?:GET|POST) \/)/).filter((text) => text.includes('\r\n\r\n'));
        for (; answered < requests.length; answered++) {
          const request = requests[answered] ?? '';
          if (request.includes('transfer-encoding') && !request.includes('\r\n0\r\n\r\n')) return;
          connection.socket.write(hello.replace('hello', /^\S+ \/(\S*)/.exec(request)?.[1]?.padEnd(5, '-').slice(0, 5) ?? '-----'));
        }
      };
      connection.socket.on('data', answer);
    },
    { accessLog: '{"path":"%REQ(:PATH)%","id":%CONNECTION_ID%}', entry: new URL('../support/parking-worker.ts', import.meta.url) },
  );
  const parked = new Parkings(rig.workers[0]);
  const get = (path: string): string => `GET /${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const open = async (first: string | null): Promise<RawClient> => {
    const client = await RawClient.connect(port);
    if (first !== null) {
      client.send(get(first));
      await client.until((text) => text.endsWith(first));
    }
    return client;
  };
  const clients = await Promise.all([
    open('aaaa1'),
    open('bbbb1'),
    open('cccc1'),
    open('dddd1'),
    open(null),
    open(null),
    open('gggg1'),
    open('hhhh1'),
    open('iiii1'),
  ]);
  const [again, inPieces, pipelined, upload, untouched, preface, halfClosed, reset, closed] = clients;
  await Promise.all(clients.map((client) => parked.of(client)));

  await t.test('answers the next request, and parks a second time', async () => {
    again.send(get('aaaa2'));
    await again.until((text) => text.endsWith('aaaa2'));
    await parked.of(again, 2);
    again.send(get('aaaa3'));
    await again.until((text) => text.endsWith('aaaa3'));
  });
  await t.test('reads a head that comes in pieces', async () => {
    for (const byte of get('bbbb2')) inPieces.send(byte);
    await inPieces.until((text) => text.endsWith('bbbb2'));
  });
  await t.test('answers pipelined requests in order', async () => {
    pipelined.send(get('cccc2') + get('cccc3') + get('cccc4'));
    const received = await pipelined.until((text) => text.endsWith('cccc4'));
    assert.deepEqual(
      [...received.matchAll(/\r\n\r\n(.{5})/g)].map(([, text]) => text),
      ['cccc1', 'cccc2', 'cccc3', 'cccc4'],
    );
  });
  await t.test('takes an upload', async () => {
    upload.send('POST /dddd2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    upload.send('0\r\n\r\n');
    const received = await upload.until((text) => text.endsWith('dddd2'));
    assert.equal(body(received.slice(received.lastIndexOf('HTTP/1.1'))), 'dddd2');
  });
  await t.test('answers the first request of a connection that said nothing', async () => {
    untouched.send(get('eeee1'));
    await untouched.until((text) => text.endsWith('eeee1'));
  });
  await t.test('still turns to HTTP/2 at its preface', async () => {
    preface.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    preface.send(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    const received = await preface.until((text) => text.includes('\0\0\0\x04\x01'));
    assert.equal(received.charCodeAt(3), 4);
  });
  await t.test('closes when its client closes its side', async () => {
    halfClosed.socket.end();
    await halfClosed.until(() => halfClosed.ended);
    assert.equal(halfClosed.reset, false);
  });
  await t.test('bears a reset', async () => {
    reset.close();
    closed.send(get('iiii2'));
    await closed.until((text) => text.endsWith('iiii2'));
  });
  await t.test('keeps its connection id in the log', async () => {
    const lines = await rig.logged(13);
    const ids = new Map<string, Set<unknown>>();
    for (const { path, id } of lines) {
      const client = String(path).slice(1, 5);
      ids.set(client, (ids.get(client) ?? new Set()).add(id));
    }
    assert.equal(ids.get('aaaa')?.size, 1);
    assert.equal(ids.get('cccc')?.size, 1);
    assert.equal(new Set([...ids.values()].flatMap((set) => [...set])).size, ids.size, 'no two clients share one');
  });
});
