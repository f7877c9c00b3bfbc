import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { L4Forward } from '../../../src/model/chain.ts';
import { frame, frameType, preface } from '../../support/h2-frames.ts';
import { helloMessage, records, sni } from '../../support/hello.ts';
import { answering, portOf, RawBackend, RawClient } from '../../support/raw.ts';
import { clusterOf, origin, Rig, routeTo, snapshotOf } from '../../support/rig.ts';
import { chainOf, tlsOf } from '../../support/tls.ts';
import { readBinaryCorpus } from '../binary/campaign.ts';
import { clientHelloTarget } from '../binary/client-hello.ts';
import { mutateBytes } from '../binary/mutate-bytes.ts';
import { proxyProtocolTarget } from '../binary/proxy-protocol.ts';
import { readCorpus, type CampaignResult } from '../campaign.ts';
import { Random } from '../random.ts';

const BATCH = 20;
const MAX_FINDINGS = 5;
const TURNS = 30;

const corpora = {
  proxy: [...readBinaryCorpus(proxyProtocolTarget).values()],
  hello: [
    ...readBinaryCorpus(clientHelloTarget).values(),
    ...['pass.test', 'a.test', 'tls.test'].map((name) => records(helloMessage({ extensions: [sni(name)] }))),
  ],
  http: [...readCorpus('request').values()].filter((bytes) => bytes.length < 4096),
};

/** A header or none, and a beginning of some protocol behind it. */
function beginning(random: Random): Buffer {
  const header = random.below(2) === 0 ? Buffer.alloc(0) : pick(corpora.proxy, random);
  switch (random.below(6)) {
    case 0:
    case 1:
      return Buffer.concat([header, pick(corpora.hello, random)]);
    case 2:
    case 3:
      return Buffer.concat([header, pick(corpora.http, random)]);
    case 4:
      return Buffer.concat([header, preface, frame(frameType.settings, 0, 0)]);
    default:
      return Buffer.concat([header, Buffer.from(Array.from({ length: random.below(200) }, () => random.below(256)))]);
  }
}

function pick(corpus: readonly Buffer[], random: Random): Buffer {
  return random.below(3) === 0 ? mutateBytes(random.pick(corpus), corpus, random) : random.pick(corpus);
}

function pem(): string {
  const options = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-subj',
    '/CN=a.test',
    '-keyout',
    '-',
  ];
  return execFileSync('openssl', [...options, '-addext', 'subjectAltName=DNS:a.test'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

/** A listener that does everything a listener can, and clusters whose servers answer handshakes with anything. */
class IntakeBench {
  private readonly rig: Rig;
  private readonly backend: RawBackend;
  private readonly rubbish: Server;

  private constructor(rig: Rig, backend: RawBackend, rubbish: Server) {
    this.rig = rig;
    this.backend = backend;
    this.rubbish = rubbish;
  }

  static async start(random: Random): Promise<IntakeBench> {
    const answer = answering(() => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    const backend = await RawBackend.start((connection) => {
      answer(connection);
      // Half-closed connections of layer 4 are as long as their server keeps them.
      connection.socket.on('end', () => connection.socket.end());
    });
    const rubbish = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => {
        if (random.below(3) !== 0) socket.write(pick(corpora.hello, random));
        if (random.below(2) === 0) socket.end();
      });
    });
    rubbish.listen(0, '127.0.0.1');
    await once(rubbish, 'listening');
    const both = pem();
    const certificate = both.slice(both.indexOf('-----BEGIN CERTIFICATE'));
    const privateKey = both.slice(both.indexOf('-----BEGIN PRIVATE'), both.indexOf('-----BEGIN CERTIFICATE'));
    const secret = { name: 'c', certificate, privateKey, ca: null, origin };
    const to = (cluster: string): L4Forward => ({
      route: cluster,
      destinations: [{ cluster, weight: 1, host: cluster, port: null, subset: null }],
      idleTimeoutMs: 0,
      maxConnections: 0,
      origin,
      pending: [],
    });
    const chains = [
      chainOf('https', { serverNames: ['a.test', '*.example.com', 'a.example'], tls: tlsOf(['c'], { alpn: ['h2', 'http/1.1'] }) }),
      chainOf('passed', { serverNames: ['pass.test'], forward: to('b') }),
      chainOf('to-tls', { serverNames: ['tls.test'], forward: to('tls') }),
      chainOf('http', { isTls: false }),
      chainOf('rest', { forward: to('b') }),
    ];
    const tls = { sni: 'x.test', verify: false, ca: null, subjectAltNames: [], certificate: null };
    const clusters = [
      clusterOf('b', [backend.port]),
      clusterOf('tls', [portOf(rubbish)], { transport: 'tls', tls, protocol: 'alpn', proxyProtocol: 'v2' }),
    ];
    const matches = [
      { route: 1, index: 0, match: { methods: [{ kind: 'exact', value: 'POST' }] }, rankReason: 'first' },
      { route: 0, index: 1, match: {}, rankReason: 'second' },
    ] as const;
    const listener = { chains, proxyProtocol: 'optional', trustedCidrs: ['127.0.0.0/8'], detectTimeoutMs: 200 } as const;
    const options = { listener, limits: { headTimeoutMs: 1000 } };
    const make = (port: number): ReturnType<typeof snapshotOf> => ({
      ...snapshotOf(port, [routeTo('b'), routeTo('tls')], clusters, options, matches),
      secrets: [secret],
    });
    return new IntakeBench(await Rig.start(make, options), backend, rubbish);
  }

  /** Sends the beginnings at the same time; '' when no bug was caught, a victim is served and nothing is left. */
  async check(all: readonly Buffer[], random: Random): Promise<string> {
    try {
      await Promise.all(all.map((bytes) => this.send(bytes, random)));
      const victim = await RawClient.connect(this.rig.port);
      victim.send('GET /victim HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n');
      const received = await victim.toEnd();
      victim.close();
      if (this.rig.faults.length !== 0) return `fault: ${this.rig.faults.splice(0).join('\n')}`;
      return received.endsWith('\r\n\r\nok') ? '' : `the victim got ${JSON.stringify(received)}`;
    } catch (error) {
      return `${this.rig.faults.splice(0).join('\n')} ${error instanceof Error ? error.stack : String(error)}`;
    }
  }

  private async send(bytes: Buffer, random: Random): Promise<void> {
    const client = await RawClient.connect(this.rig.port);
    const width = random.pick([bytes.length + 1, 40, 3]);
    const leaving = random.below(4);
    for (let at = 0; at < bytes.length; at += width) {
      if (client.socket.writable) client.send(bytes.subarray(at, at + width));
      if (at % (width * 8) === 0) await turn();
    }
    if (leaving === 0) client.socket.end();
    const turns = leaving < 2 ? TURNS : 0;
    for (let i = 0; i < turns && !client.closed; i++) await turn();
    if (leaving === 2) client.socket.resetAndDestroy();
    else client.close();
  }

  /** Connections that the worker still counts. */
  get open(): number {
    return this.rig.metric('envoy_listener_downstream_cx_active');
  }

  /** Looks after each answer of the worker whether it counts any connection still, at most until then. */
  async gone(until: number): Promise<void> {
    while (this.open !== 0 && performance.now() < until) await this.rig.activeUpstream();
  }

  async close(): Promise<void> {
    await this.rig.close();
    this.backend.close();
    this.rubbish.close();
  }
}

/** Longer than every time limit of the listener, ms. */
const goneMs = 30_000;

export interface IntakeCampaign {
  readonly executions: number;
  readonly seed: number;
  readonly onProgress?: (done: number, result: CampaignResult) => void;
}

/** Runs beginnings in batches against one listener; stops after five findings. `accepted` counts batches without one. */
export async function runIntake({ executions, seed, onProgress }: IntakeCampaign): Promise<CampaignResult> {
  const random = new Random(seed);
  const result: CampaignResult = { executions: 0, accepted: 0, findings: [] };
  let bench = await IntakeBench.start(random);
  for (let batches = 1; result.executions < executions && result.findings.length < MAX_FINDINGS; batches++) {
    const all = Array.from({ length: Math.min(BATCH, executions - result.executions) }, () => beginning(random));
    const finding = await bench.check(all, random);
    result.executions += all.length;
    if (finding === '') result.accepted++;
    else {
      result.findings.push(`${finding.slice(0, 2000)}\n    ${JSON.stringify(all.map((bytes) => bytes.toString('hex')))}`);
      await bench.close();
      bench = await IntakeBench.start(random);
    }
    if (batches % 100 === 0) onProgress?.(result.executions, result);
  }
  // Everybody has gone: what is still counted is kept by nobody but us. Time limits end what was under way.
  await bench.gone(performance.now() + goneMs);
  if (bench.open !== 0) result.findings.push(`${bench.open} connections are counted after the end`);
  await bench.close();
  return result;
}
