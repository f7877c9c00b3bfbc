/** A client under TLS that is gone at any byte of its request: what holds without TLS holds there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CutStage } from '../support/cut-stage.ts';
import { cutEach } from '../support/cuts.ts';
import { block, flag, frame, frameType, get, preface } from '../support/h2-frames.ts';
import { Pki, secretOf } from '../support/pki.ts';
import { chainOf, tlsOf } from '../support/tls.ts';

interface Protocol {
  readonly name: 'http/1.1' | 'h2';
  readonly request: (path: string) => Buffer;
  /** Where the head of the request is whole. */
  readonly headEnd: (request: Buffer) => number;
  readonly isWhole: (answer: string) => boolean;
}

const opening = Buffer.concat([preface, frame(frameType.settings, 0, 0)]);
const protocols: readonly Protocol[] = [
  {
    name: 'http/1.1',
    request: (path) => Buffer.from(`POST ${path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 11\r\n\r\nhello world`),
    headEnd: (request) => request.indexOf('\r\n\r\n') + 4,
    isWhole: (answer) => answer.endsWith('\r\n\r\ngood morning'),
  },
  {
    name: 'h2',
    request: (path) =>
      Buffer.concat([
        opening,
        frame(frameType.headers, flag.endHeaders, 1, block([[':method', 'POST'], [':scheme', 'https'], ...get(path).slice(2)])),
        frame(frameType.data, flag.endStream, 1, Buffer.from('hello world')),
      ]),
    headEnd: (request) => opening.length + 9 + request.readUIntBE(opening.length, 3),
    isWhole: (answer) => answer.includes('good morning'),
  },
];

/** `closed`: TLS is ended first. `cut`: the connection ends under it. */
const endings = ['reset', 'closed', 'cut'] as const;

for (const { name, request, headEnd, isWhole } of protocols)
  await test(name, { timeout: 60_000 }, async (t) => {
    const pki = new Pki(t);
    const stage = await CutStage.start(t, {
      listener: { dialect: 'istio', chains: [chainOf('https', { tls: tlsOf(['c'], { alpn: ['h2', 'http/1.1'] }) })] },
      secrets: [secretOf('c', pki.issue({ names: ['DNS:a.test'] }))],
    });
    const sample = request('/0000');
    for (const how of endings)
      await t.test(`the client is gone (${how}) after any byte of its request`, async () => {
        const seen: (readonly [path: string, bytes: number, answer: string])[] = [];
        const task = async (bytes: number): Promise<void> => {
          const arrived = Promise.withResolvers<void>();
          const path = stage.path({
            onHead: () => arrived.resolve(),
            onRequest: (socket) => how !== 'reset' && socket.write('HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\ngood morning'),
          });
          const { secure, below } = await stage.connectTls(name);
          let answer = '';
          secure.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
          const closed = new Promise((resolve) => below.on('close', resolve));
          const part = request(path).subarray(0, bytes);
          if (how === 'closed') secure.end(part);
          else {
            await new Promise((resolve) => secure.write(part, resolve));
            if (bytes >= headEnd(sample)) await arrived.promise;
            if (how === 'reset') below.resetAndDestroy();
            else below.end();
          }
          await closed;
          secure.destroy();
          seen.push([path, bytes, answer]);
        };
        // Before the first byte the handshake may not be over here.
        await cutEach(sample.length, task, 1);
        await stage.settle();
        for (const [path, bytes, answer] of seen) {
          const log = stage.outcome(path);
          const at = `${bytes} of ${sample.length} bytes: ${JSON.stringify(log)}`;
          if (bytes < headEnd(sample)) assert.deepEqual([log, isWhole(answer)], [undefined, false], at);
          else if (how === 'reset' || bytes < sample.length) assert.deepEqual([log, isWhole(answer)], [[0, 'DC'], false], at);
          else assert.deepEqual([log, isWhole(answer)], [[200, '-'], true], at);
        }
      });
  });
