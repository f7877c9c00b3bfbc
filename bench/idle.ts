/** What idle connections cost: each has had one request and waits for its next. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';
import { weirTlsConfig } from './contenders/protocols.ts';
import { istioConfig, runArguments } from './contenders/weir.ts';
import { freePort, start, untilListening } from './process.ts';
import type { Place } from './rows.ts';
import { mebibyte } from './statistics.ts';

export interface IdleResult {
  readonly kind: 'plain' | 'TLS 1.3';
  readonly connections: number;
  /** MiB of the whole process before the first and with all of them. */
  readonly rssBefore: number;
  readonly rssWith: number;
  readonly target: number;
}

/** Connections opened at a time: handshakes of more would wait for one another. */
const openers = 32;

export async function runIdle(place: Place, quick: boolean): Promise<readonly IdleResult[]> {
  const connections = quick ? 500 : 10_000;
  return [await measure('plain', connections, 150, place), await measure('TLS 1.3', connections, 700, place)];
}

async function measure(kind: IdleResult['kind'], connections: number, target: number, place: Place): Promise<IdleResult> {
  const directory = join(place.directory, `idle-${kind === 'plain' ? 'plain' : 'tls'}`);
  mkdirSync(directory, { recursive: true });
  const site = { port: await freePort(), upstreamPort: place.upstreamPort, directory, cpu: null };
  const file = join(directory, 'config.yaml');
  writeFileSync(file, kind === 'plain' ? istioConfig(site) : weirTlsConfig(site));
  const log = join(directory, 'output.log');
  const gateway = start(await runArguments(file, directory, 'off'), { cpu: null, cwd: directory, log });
  const sockets: Socket[] = [];
  try {
    await untilListening(site.port, gateway, log);
    (await oneRequest(kind, site.port)).destroy();
    await delay(1000);
    const rssBefore = gateway.usage().rss / mebibyte;
    let left = connections;
    const open = async (): Promise<void> => {
      while (left-- > 0) sockets.push(await oneRequest(kind, site.port));
    };
    await Promise.all(Array.from({ length: openers }, open));
    await delay(3000);
    return { kind, connections: sockets.length, rssBefore, rssWith: gateway.usage().rss / mebibyte, target };
  } finally {
    for (const socket of sockets) socket.destroy();
    await gateway.stop();
  }
}

/** Opens a connection, asks once, and keeps it. */
function oneRequest(kind: IdleResult['kind'], port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const ask = (): void => void socket.write('GET /small HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    const socket: Socket =
      kind === 'plain'
        ? connectPlain(port, '127.0.0.1', ask)
        : connectTls({ port, host: '127.0.0.1', minVersion: 'TLSv1.3', rejectUnauthorized: false }, ask);
    let received = 0;
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received > 1024) resolve(socket);
    });
    socket.once('close', () => reject(new Error('the gateway closed an idle connection')));
    socket.once('error', reject);
  });
}

export function idleSection(results: readonly IdleResult[]): string {
  const lines = ['## Idle connections', '', '`npm run bench -- --only idle`', ''];
  lines.push('| connections | RSS before, MB | RSS with them, MB | each, KB | target: the increase, MB |', '|---|---|---|---|---|');
  for (const { kind, connections, rssBefore, rssWith, target } of results) {
    const each = (((rssWith - rssBefore) * 1024) / connections).toFixed(1);
    const verdict = rssWith - rssBefore < target ? 'met' : '**missed**';
    lines.push(
      `| ${connections.toLocaleString('en')} ${kind} | ${rssBefore.toFixed(0)} | ${rssWith.toFixed(0)} | ${each} | < ${target}: ${(rssWith - rssBefore).toFixed(0)}, ${verdict} |`,
    );
  }
  lines.push('', 'Whole process, one worker for each CPU; each connection has had one request.');
  return lines.join('\n');
}
