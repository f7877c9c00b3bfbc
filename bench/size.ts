/** Start, validation, memory: figures of Weir alone. */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { istioConfig, runArguments, weirProgram } from './contenders/weir.ts';
import { freePort, start, untilListening, type Started } from './process.ts';
import type { Place } from './rows.ts';
import { mebibyte, spread, type Spread } from './statistics.ts';
import { wrk } from './wrk.ts';

export interface SizeResult {
  readonly readyMs: Spread;
  readonly validateMs: Spread;
  /** MiB, one worker, 100 routes: just started, after the first and after the last load. */
  readonly rssStart: number;
  readonly rssWarm: number;
  readonly rssEnd: number;
  readonly requestsBetween: number;
  readonly idleConnections: number;
  /** KiB of resident memory per idle connection that has had one request. */
  readonly idleKib: number;
}

export async function runSize(place: Place, quick: boolean): Promise<SizeResult> {
  const directory = join(place.directory, 'size');
  mkdirSync(directory, { recursive: true });
  const times = quick ? 2 : 7;
  const readyMs: number[] = [];
  for (let i = 0; i < times; i++) {
    const gateway = await launch(place, directory);
    readyMs.push(gateway.readyMs);
    await gateway.started.stop();
  }
  const validateMs: number[] = [];
  const example = join(directory, 'validate.yaml');
  copyFileSync(fileURLToPath(new URL('../examples/istio-gateway.yaml', import.meta.url)), example);
  for (let i = 0; i < times; i++) validateMs.push(await validate(example));

  const gateway = await launch(place, directory);
  try {
    const rssStart = gateway.started.usage().rss / mebibyte;
    const load = { url: `http://127.0.0.1:${gateway.port}/r7/1k`, connections: 64, headers: [], cpu: place.loadCpu, directory };
    await wrk({ ...load, seconds: quick ? 1 : 5 });
    const rssWarm = gateway.started.usage().rss / mebibyte;
    let requestsBetween = 0;
    while (requestsBetween < (quick ? 20_000 : 1_000_000)) requestsBetween += (await wrk({ ...load, seconds: quick ? 1 : 10 })).requests;
    const rssEnd = gateway.started.usage().rss / mebibyte;
    const idleConnections = quick ? 500 : 5000;
    const idleKib = await idleCost(gateway.started, gateway.port, idleConnections);
    return {
      readyMs: spread(readyMs),
      validateMs: spread(validateMs),
      rssStart,
      rssWarm,
      rssEnd,
      requestsBetween,
      idleConnections,
      idleKib,
    };
  } finally {
    await gateway.started.stop();
  }
}

async function launch(place: Place, directory: string): Promise<{ started: Started; port: number; readyMs: number }> {
  const port = await freePort();
  const site = { port, upstreamPort: place.upstreamPort, directory, cpu: null };
  const hundred = Array.from({ length: 100 }, (_, i) => ({
    match: [{ uri: { prefix: `/r${i}/` } }],
    route: [{ destination: { host: 'upstream.example' } }],
  }));
  const virtualService = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'hundred' },
    spec: { hosts: ['127.0.0.1'], gateways: ['bench'], http: hundred },
  };
  const file = join(directory, 'config.yaml');
  writeFileSync(file, istioConfig(site, [virtualService]));
  const command = await runArguments(file, directory, 'off');
  const log = join(directory, 'output.log');
  const began = performance.now();
  const started = start(command, { cpu: null, cwd: directory, log });
  await untilListening(port, started, log);
  await fetch(`http://127.0.0.1:${port}/r7/1k`).then((response) => response.arrayBuffer());
  return { started, port, readyMs: performance.now() - began };
}

/** Milliseconds of a whole `weir validate`; it must find the file good. */
function validate(file: string): Promise<number> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [weirProgram, 'validate', '-f', file], { stdio: 'ignore' });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve(performance.now() - began) : reject(new Error(`weir validate ended with ${code}`))));
  });
}

async function idleCost(gateway: Started, port: number, count: number): Promise<number> {
  const sockets: Socket[] = [];
  const before = gateway.usage().rss;
  for (let i = 0; i < count; i++) sockets.push(await oneRequest(port));
  await delay(500);
  const after = gateway.usage().rss;
  for (const socket of sockets) socket.destroy();
  return (after - before) / 1024 / count;
}

/** Opens a connection, asks once, and keeps it. */
function oneRequest(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /r7/1k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'));
    let received = 0;
    socket.on('data', (chunk) => {
      received += chunk.length;
      if (received > 1024) resolve(socket);
    });
    socket.once('error', reject);
  });
}
