import { setImmediate as turn } from 'node:timers/promises';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { frame, frameType } from '../../support/h2-frames.ts';
import { FrameConnection } from '../../support/http2-upstream.ts';
import { answering, portOf, RawBackend, RawClient } from '../../support/raw.ts';
import { clusterOf, Rig, routeTo, snapshotOf } from '../../support/rig.ts';
import type { CampaignResult } from '../campaign.ts';
import { oracleResponse } from '../oracle.ts';
import { Random } from '../random.ts';
import type { Http2Campaign } from './campaign.ts';
import { makeAnswer } from './frames.ts';

const BATCH = 20;
const MAX_FINDINGS = 5;
const TURNS = 60;

const requests: readonly string[] = [
  'GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n',
  'HEAD /a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n',
  'POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello',
  'POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  `POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n${'x'.repeat(100_000)}`,
];

/** A worker in front of a backend that answers HTTP/2 requests with anything, and of an honest one for `/victim`. */
class UpstreamBench {
  private readonly rig: Rig;
  private readonly server: Server;
  private readonly honest: RawBackend;

  private constructor(rig: Rig, server: Server, honest: RawBackend) {
    this.rig = rig;
    this.server = server;
    this.honest = honest;
  }

  static async start(random: Random): Promise<UpstreamBench> {
    const server = createServer((socket) => {
      const connection = new FrameConnection(socket, (_, stream) => {
        connection.send(makeAnswer(random, stream));
        const then = random.below(12);
        if (then === 0) socket.end();
        else if (then === 1) socket.resetAndDestroy();
      });
      if (random.below(20) !== 0) connection.send(frame(frameType.settings, 0, 0), frame(frameType.settings, 1, 0));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const honest = await RawBackend.start(answering(() => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    const forward = routeTo('h2');
    const action = forward.action.kind === 'forward' ? { ...forward.action, timeoutMs: 2000 } : forward.action;
    const matches = [
      { route: 1, index: 0, match: { path: { kind: 'prefix', value: '/victim' } }, rankReason: 'first' },
      { route: 0, index: 1, match: {}, rankReason: 'second' },
    ] as const;
    const clusters = [clusterOf('h2', [portOf(server)], { protocol: 'http2' }), clusterOf('honest', [honest.port])];
    const rig = await Rig.start((port) => snapshotOf(port, [{ ...forward, action }, routeTo('honest')], clusters, {}, matches));
    return new UpstreamBench(rig, server, honest);
  }

  /** Asks as often as there are requests in a batch; '' when every answer is well formed or visibly cut, and a victim is served. */
  async check(batch: readonly string[]): Promise<string> {
    try {
      const answers = await Promise.all(batch.map((request) => this.ask(request)));
      const victim = await RawClient.connect(this.rig.port);
      victim.send('GET /victim HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n');
      const received = await victim.toEnd();
      victim.close();
      if (this.rig.faults.length !== 0) return `fault: ${this.rig.faults.splice(0).join('\n')}`;
      if (!received.endsWith('\r\n\r\nok')) return `the victim got ${JSON.stringify(received)}`;
      for (const [i, answer] of answers.entries()) {
        if (answer === '') continue;
        const { error } = await oracleResponse(Buffer.from(answer, 'latin1'), batch[i].slice(0, batch[i].indexOf(' ')));
        if (error !== '' && error !== 'ECONNRESET' && error !== 'HPE_INVALID_EOF_STATE')
          return `the client got ${JSON.stringify(answer)} (${error})`;
      }
      return '';
    } catch (error) {
      return `${this.rig.faults.splice(0).join('\n')} ${error instanceof Error ? error.stack : String(error)}`;
    }
  }

  private async ask(request: string): Promise<string> {
    const client = await RawClient.connect(this.rig.port);
    client.send(request);
    for (let i = 0; i < TURNS && !client.closed && !client.ended; i++) await turn();
    client.close();
    return client.received;
  }

  async close(): Promise<void> {
    await this.rig.close();
    this.server.close();
    this.honest.close();
  }
}

/** The backend's choices follow the order in which requests reach it, so that a seed repeats the manner of a finding, not each byte. */
export async function runHttp2Upstream({ executions, seed, onProgress }: Http2Campaign): Promise<CampaignResult> {
  const random = new Random(seed);
  const result: CampaignResult = { executions: 0, accepted: 0, findings: [] };
  let bench = await UpstreamBench.start(random);
  for (let batches = 1; result.executions < executions && result.findings.length < MAX_FINDINGS; batches++) {
    const batch = Array.from({ length: Math.min(BATCH, executions - result.executions) }, () => random.pick(requests));
    const finding = await bench.check(batch);
    result.executions += batch.length;
    if (finding === '') result.accepted++;
    else {
      result.findings.push(finding.slice(0, 4000));
      await bench.close();
      bench = await UpstreamBench.start(random);
    }
    if (batches % 100 === 0) onProgress?.(result.executions, result);
  }
  await bench.close();
  return result;
}
