import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ID, type ProxyCase } from './proxy/case.ts';
import { checkCase, readProxyCorpus, runProxy } from './proxy/campaign.ts';
import { Lane, type Outcome } from './proxy/engine.ts';
import { judge } from './proxy/judge.ts';

describe('the whole engine between a client and a backend in memory', () => {
  for (const [name, given] of readProxyCorpus()) {
    for (const shared of [false, true]) {
      for (const direct of [false, true]) {
        const manner = `${shared ? 'read in a shared buffer' : 'read by events'}, ${direct ? 'written directly' : 'written through streams'}`;
        it(`${name} stays fixed (${manner})`, async () => assert.equal(await checkCase({ ...given, shared, direct }), ''));
      }
    }
  }

  it('a short campaign finds nothing', async () => {
    const result = await runProxy({ executions: 4000, seed: 20_260, saveTo: null });
    assert.deepEqual(result.findings, []);
    assert.ok(result.accepted > 1200, `only ${result.accepted} cases reached the backend`);
  });
});

describe('the judge', () => {
  const answer = `HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n<${ID}>`;
  const given: ProxyCase = {
    pieces: ['GET /1 HTTP/1.1\r\nHost: a\r\n\r\n', 'POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nX-Kept: yes\r\n\r\nab'],
    answers: [{ pieces: [answer], then: 'keep', early: false }],
    clientEnds: false,
    slow: 0,
    listener: 'edge',
    shared: true,
    direct: true,
  };
  const other = (change: (outcome: Outcome) => Outcome) => async (): Promise<string> => judge(given, change(await new Lane().run(given)));
  const client = (change: (bytes: string) => string) =>
    other((outcome) => ({ ...outcome, client: Buffer.from(change(outcome.client.toString('latin1')), 'latin1') }));
  const upstream = (change: (bytes: string) => string) =>
    other((outcome) => {
      for (const { socket } of outcome.peers)
        socket.sent.splice(0, socket.sent.length, Buffer.from(change(socket.received.toString('latin1')), 'latin1'));
      return outcome;
    });

  it('is content with what is right', async () => assert.equal(await checkCase(given), ''));

  const rows: readonly [name: string, run: () => Promise<string>][] = [
    [
      'answers that were swapped',
      client((bytes) =>
        bytes
          .split(/(?=HTTP)/)
          .toReversed()
          .join(''),
      ),
    ],
    ['another byte of a body', client((bytes) => bytes.replace('<', '['))],
    ['bytes behind the last response', client((bytes) => `${bytes}x`)],
    ['a response too many', client((bytes) => bytes + answer)],
    ['a lost response', client((bytes) => bytes.slice(bytes.lastIndexOf('HTTP')))],
    ['two framings', client((bytes) => bytes.replace('\r\n\r\n', '\r\ntransfer-encoding: chunked\r\n\r\n'))],
    ['another path upstream', upstream((bytes) => bytes.replace('/2', '/3'))],
    ['another method upstream', upstream((bytes) => bytes.replace('POST', 'PUT'))],
    ['another body upstream', upstream((bytes) => `${bytes.slice(0, -1)}c`)],
    ['a lost header', upstream((bytes) => bytes.replace('X-Kept', 'X-Lost'))],
    ['a request upstream that is too long by a byte', upstream((bytes) => `${bytes}x`)],
    ['a bare LF upstream', upstream((bytes) => bytes.replace('\r\n', '\n'))],
    ['a fault', other((outcome) => ({ ...outcome, faults: ['x'] }))],
  ];
  for (const [name, run] of rows) it(`sees ${name}`, async () => assert.notEqual(await run(), ''));
});
