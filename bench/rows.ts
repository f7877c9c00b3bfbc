/** The rows of the table where contenders meet: same work, same connections, rounds interleaved. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import type { Contender } from './contenders/contender.ts';
import { nginxLargeBuffers, nginxLog, nginxLogBuffered, nginxLogLimit, nginxLua, nginxPlain } from './contenders/nginx.ts';
import { caddy, fastifyProxy, haproxyLargeBuffers, haproxyPlain, nodeUndici } from './contenders/others.ts';
import { weirJsonLog, weirKey, weirLog, weirLogLimit, weirPlain } from './contenders/weir.ts';
import { freePort, untilListening, type Started } from './process.ts';
import { wrk, type LoadResult } from './wrk.ts';

export interface Row {
  readonly id: string;
  readonly title: string;
  /** The first is Weir; `peer` names the one that the target is a ratio to. */
  readonly contenders: readonly Contender[];
  readonly peer: Contender;
  readonly target: number;
  readonly connections: number;
  readonly path: string;
  readonly headers: readonly string[];
  /** CPU is told per request (handshake, message) or per mebibyte of body. */
  readonly per: 'request' | 'handshake' | 'message' | 'MiB';
  /** Absent: wrk over plain HTTP. */
  readonly load?: Generator;
  /** Absent: what `path` gives is fetched once and measured. */
  readonly check?: (port: number, name: string, directory: string) => Promise<void>;
}

/** Puts load on a contender. */
export type Generator = (at: {
  readonly port: number;
  readonly row: Row;
  readonly seconds: number;
  readonly headers: readonly string[];
  readonly cpu: string;
  readonly directory: string;
}) => Promise<LoadResult>;

const common = { connections: 64, path: '/small', headers: [], per: 'request' } as const;

export const rows: readonly Row[] = [
  {
    ...common,
    id: 'plain',
    title: 'Plain proxy: 1 KB bodies, 64 keep-alive connections',
    contenders: [weirPlain, nginxPlain, haproxyPlain, caddy, fastifyProxy, nodeUndici],
    peer: nginxPlain,
    target: 1.0,
  },
  {
    ...common,
    id: 'log',
    title: 'Access log and metrics',
    contenders: [weirLog, nginxLog, nginxLogBuffered, weirJsonLog],
    peer: nginxLog,
    target: 1.0,
  },
  {
    ...common,
    id: 'apart',
    title: 'Access log and metrics, responses whose head and body arrive apart (files sent by sendfile)',
    contenders: [weirLog, nginxLog],
    peer: nginxLog,
    target: 1.0,
    path: '/1k',
  },
  {
    ...common,
    id: 'limit',
    title: 'Access log, metrics and a local rate limit',
    contenders: [weirLogLimit, nginxLogLimit],
    peer: nginxLogLimit,
    target: 1.0,
  },
  {
    ...common,
    id: 'key',
    title: 'API key, rate limit, access log and metrics',
    contenders: [weirKey, nginxLua],
    peer: nginxLua,
    target: 0.85,
  },
  {
    ...common,
    id: 'body',
    title: '1 MiB bodies, 16 connections',
    contenders: [weirPlain, nginxPlain, nginxLargeBuffers, haproxyPlain, haproxyLargeBuffers, caddy, nodeUndici],
    peer: nginxLargeBuffers,
    target: 0.7,
    connections: 16,
    path: '/1m',
    per: 'MiB',
  },
  {
    ...common,
    id: 'connect',
    title: 'A new connection for each request',
    contenders: [weirPlain, nginxPlain, haproxyPlain],
    peer: nginxPlain,
    target: 1.5,
    headers: ['Connection: close'],
  },
  {
    ...common,
    id: 'four',
    title: '4 keep-alive connections',
    contenders: [weirPlain, nginxPlain, haproxyPlain],
    peer: nginxPlain,
    target: 1.0,
    connections: 4,
  },
];

export interface Round {
  readonly cpuMicros: number;
  readonly userMicros: number;
  readonly systemMicros: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rss: number;
  /** Share of its CPU that the gateway was busy, 0 … 1. */
  readonly busy: number;
  readonly errors: number;
}

export interface Standing {
  readonly contender: Contender;
  readonly rounds: Round[];
  /** Why it did not run. */
  readonly missing: string | null;
}

export interface Place {
  readonly directory: string;
  readonly upstreamPort: number;
  readonly gatewayCpu: string | null;
  readonly loadCpu: string;
}

interface Ready {
  readonly standing: Standing;
  readonly started: Started;
  readonly port: number;
  readonly directory: string;
}

export function installed(program: string | null): boolean {
  return program === null || spawnSync('which', [program]).status === 0;
}

/** Runs one row: everybody is started, warmed, then takes turns for `rounds` rounds. */
export async function runRow(row: Row, place: Place, rounds: number, seconds: number, say: (text: string) => void): Promise<Standing[]> {
  const standings: Standing[] = [];
  const ready: Ready[] = [];
  try {
    for (const contender of row.contenders) {
      const standing: Standing = { contender, rounds: [], missing: installed(contender.program) ? null : 'not installed' };
      standings.push(standing);
      if (standing.missing === null) ready.push(await prepare(row, contender, standing, place));
    }
    // Compilers of JIT runtimes work in the background for the first seconds: that is not what a request costs.
    for (const one of ready) await round(row, one, place, Math.max(2, seconds));
    for (let i = 0; i < rounds; i++) {
      for (const one of ready) {
        const result = await round(row, one, place, seconds);
        one.standing.rounds.push(result);
        say(
          `${row.id} ${i + 1}/${rounds} ${one.standing.contender.name}: ${result.cpuMicros.toFixed(1)} µs/${row.per}, ${Math.round(result.perSecond)}/s`,
        );
      }
    }
  } finally {
    for (const one of ready) await one.started.stop();
  }
  return standings;
}

async function prepare(row: Row, contender: Contender, standing: Standing, place: Place): Promise<Ready> {
  const port = await freePort();
  const directory = join(place.directory, `${row.id}-${row.contenders.indexOf(contender)}`);
  mkdirSync(directory, { recursive: true });
  const started = contender.start({ port, upstreamPort: place.upstreamPort, directory, cpu: place.gatewayCpu });
  await untilListening(port, started, join(directory, 'output.log'));
  const ready = { standing, started, port, directory };
  await (row.check === undefined ? mustAnswer(row, ready) : row.check(port, contender.name, directory));
  return ready;
}

/** A contender that answers errors fast would win: each must give the body first. */
async function mustAnswer(row: Row, ready: Ready): Promise<void> {
  const headers: Record<string, string> = {};
  for (const header of ready.standing.contender.headers) {
    const colon = header.indexOf(':');
    headers[header.slice(0, colon)] = header.slice(colon + 1).trim();
  }
  const response = await fetch(`http://127.0.0.1:${ready.port}${row.path}`, { headers });
  const body = await response.arrayBuffer();
  const want = row.path === '/1m' ? 1024 * 1024 : 1024;
  if (response.status !== 200 || body.byteLength !== want) {
    throw new Error(`${ready.standing.contender.name} answered ${response.status} with ${body.byteLength} bytes in row ${row.id}`);
  }
}

const plainLoad: Generator = ({ port, row, seconds, headers, cpu, directory }) =>
  wrk({ url: `http://127.0.0.1:${port}${row.path}`, connections: row.connections, seconds, headers, cpu, directory });

async function round(row: Row, ready: Ready, place: Place, seconds: number): Promise<Round> {
  const before = ready.started.usage();
  const headers = [...row.headers, ...ready.standing.contender.headers];
  const load = await (row.load ?? plainLoad)({ port: ready.port, row, seconds, headers, cpu: place.loadCpu, directory: ready.directory });
  const after = ready.started.usage();
  const user = after.user - before.user;
  const system = after.system - before.system;
  const units = row.per === 'MiB' ? load.bytes / (1024 * 1024) : load.requests;
  return {
    cpuMicros: ((user + system) * 1e6) / units,
    userMicros: (user * 1e6) / units,
    systemMicros: (system * 1e6) / units,
    perSecond: units / load.seconds,
    p50Ms: load.p50Ms,
    p99Ms: load.p99Ms,
    rss: after.rss,
    busy: (user + system) / load.seconds,
    errors: load.errors,
  };
}
