import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { z } from 'zod';
import { RawBackend, RawClient } from '../../support/raw.ts';
import { clusterOf, Rig, routeTo, snapshotOf } from '../../support/rig.ts';
import { corpusDirectory, type CampaignResult } from '../campaign.ts';
import { oracleRequests } from '../oracle.ts';
import { RequestReader } from '../proxy/backend.ts';
import { Random } from '../random.ts';
import { makeHttp2Case, type Http2Case } from './frames.ts';

const caseSchema = z.strictObject({ pieces: z.array(z.string()), leaving: z.enum(['waits', 'ends', 'destroys', 'resets']) });
const batchSchema = z.array(caseSchema);

/** Connections at the same time. A finding keeps all of them: the worker serves them together. */
const BATCH = 20;
const MAX_FINDINGS = 5;
/** Turns of the loop that a client gives its answers. */
const TURNS = 40;
const CUT = 'HPE_INVALID_EOF_STATE';

const large = `HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(200_000)}`;
const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n';
const small = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** A proxy with HTTP/2 in plain text, in front of a backend with several manners. */
export class Http2Bench {
  private readonly rig: Rig;
  private readonly backend: RawBackend;
  /** Bytes of each upstream connection that were read as whole requests. */
  private readonly read: number[] = [];

  private constructor(rig: Rig, backend: RawBackend) {
    this.rig = rig;
    this.backend = backend;
  }

  static async start(): Promise<Http2Bench> {
    const backend = await RawBackend.start((connection) => {
      const { socket } = connection;
      const reader = new RequestReader((head) => ({
        pieces: [head.includes(' /large') ? large : / \/(a|late)[ ?]/.test(head) ? chunked : small],
        then: head.includes(' /reset') ? 'reset' : 'keep',
        early: head.includes(' /early'),
      }));
      socket.on('data', () => {
        reader.read(
          connection.received,
          () => undefined,
          ({ answer }) => {
            const [text] = answer.pieces;
            if (answer.then === 'reset') socket.resetAndDestroy();
            else socket.write(text, 'latin1');
          },
        );
      });
    });
    const make = (port: number): ReturnType<typeof snapshotOf> => snapshotOf(port, [routeTo('b')], [clusterOf('b', [backend.port])]);
    return new Http2Bench(await Rig.start(make), backend);
  }

  /** Runs the cases at the same time; '' when nothing is wrong. */
  async check(cases: readonly Http2Case[]): Promise<string> {
    try {
      await Promise.all(cases.map((given) => this.run(given)));
      const victim = await RawClient.connect(this.rig.port);
      victim.send('GET /victim HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n');
      const received = await victim.toEnd();
      victim.close();
      if (this.rig.faults.length !== 0) return `fault: ${this.rig.faults.splice(0).join('\n')}`;
      if (!received.startsWith('HTTP/1.1 200 OK\r\n') || !received.endsWith('\r\n\r\nok'))
        return `the victim got ${JSON.stringify(received)}`;
      return await this.upstream();
    } catch (error) {
      return `${this.rig.faults.splice(0).join('\n')} ${error instanceof Error ? error.stack : String(error)}`;
    }
  }

  private async run({ pieces, leaving }: Http2Case): Promise<void> {
    const client = await RawClient.connect(this.rig.port);
    for (const piece of pieces) {
      if (client.socket.writable) client.send(Buffer.from(piece, 'hex'));
      await turn();
    }
    if (leaving === 'ends') client.socket.end();
    const turns = leaving === 'destroys' ? 0 : TURNS;
    for (let i = 0; i < turns && !client.closed; i++) await turn();
    if (leaving === 'resets') client.socket.resetAndDestroy();
    else client.close();
  }

  /** What reached the backend is whole requests, but for the last of a connection. */
  private async upstream(): Promise<string> {
    for (const [i, { received, ended }] of this.backend.connections.entries()) {
      const bytes = received.slice(this.read[i] ?? 0);
      if (bytes === '') continue;
      const { messages, error } = await oracleRequests(Buffer.from(bytes, 'latin1'));
      if (error !== '' && error !== CUT) return `upstream got ${JSON.stringify(bytes)} (${error})`;
      if (messages.slice(0, -1).some(({ complete }) => !complete))
        return `an unfinished request was followed by another: ${JSON.stringify(bytes)}`;
      if (ended || (error === '' && messages.every(({ complete }) => complete))) this.read[i] = received.length;
    }
    return '';
  }

  async close(): Promise<void> {
    await this.rig.close();
    this.backend.close();
  }
}

export interface Http2Campaign {
  readonly executions: number;
  readonly seed: number;
  /** Where batches that failed are kept; null keeps none. */
  readonly saveTo: string | null;
  readonly onProgress?: (done: number, result: CampaignResult) => void;
}

/** Runs cases in batches against one proxy, a new one after each finding; stops after five. `accepted` counts batches without a finding. */
export async function runHttp2(campaign: Http2Campaign): Promise<CampaignResult> {
  const random = new Random(campaign.seed);
  const result: CampaignResult = { executions: 0, accepted: 0, findings: [] };
  let bench = await Http2Bench.start();
  let batches = 0;
  while (result.executions < campaign.executions && result.findings.length < MAX_FINDINGS) {
    const cases = Array.from({ length: Math.min(BATCH, campaign.executions - result.executions) }, () => makeHttp2Case(random));
    const finding = await bench.check(cases);
    result.executions += cases.length;
    if (finding === '') result.accepted++;
    else {
      result.findings.push(`${finding.slice(0, 2000)}\n    ${JSON.stringify(cases)}`);
      if (campaign.saveTo !== null) save(join(campaign.saveTo, 'http2'), cases);
      await bench.close();
      bench = await Http2Bench.start();
    }
    if (++batches % 100 === 0) campaign.onProgress?.(result.executions, result);
  }
  await bench.close();
  return result;
}

/** Batches that were found once, by file name. */
export function readHttp2Corpus(): Map<string, Http2Case[]> {
  const directory = join(corpusDirectory, 'http2');
  const names = readdirSync(directory).filter((name) => name.endsWith('.json'));
  return new Map(names.toSorted().map((name) => [name, batchSchema.parse(JSON.parse(readFileSync(join(directory, name), 'utf8')))]));
}

function save(directory: string, cases: readonly Http2Case[]): void {
  mkdirSync(directory, { recursive: true });
  const text = `${JSON.stringify(cases, null, 2)}\n`;
  writeFileSync(join(directory, `found-${createHash('sha256').update(text).digest('hex').slice(0, 12)}.json`), text);
}
