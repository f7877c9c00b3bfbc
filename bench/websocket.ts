/**
 * WebSocket echo through a proxy: `node bench/websocket.ts serve PORT` answers the opening handshake and sends every frame
 * back; `load PORT CONNECTIONS SECONDS` sends small masked frames, one at a time on each connection, and counts what
 * comes back. Both look at bytes only: proxies do not look into frames either, and the gateway is what is measured.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { start, type Started } from './process.ts';
import type { LoadResult } from './wrk.ts';

const script = fileURLToPath(import.meta.url);
const key = 'dGhlIHNhbXBsZSBub25jZQ==';
/** RFC 6455 §1.3 */
const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
/** A text frame of 64 characters, masked with zeros so that it is the same in both directions. */
const frame = Buffer.concat([Buffer.from([0x81, 0x80 | 64, 0, 0, 0, 0]), Buffer.alloc(64, 'w')]);

/** The echo server, on the CPU of the load. */
export function startEcho(port: number, cpu: string, directory: string, log: string): Started {
  return start([process.execPath, script, 'serve', String(port)], { cpu, cwd: directory, log });
}

/** One run on a CPU of its own process. */
export async function webSocketLoad(port: number, connections: number, seconds: number, cpu: string): Promise<LoadResult> {
  const child = spawn('taskset', ['-c', cpu, process.execPath, script, 'load', String(port), String(connections), String(seconds)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await new Promise((resolve) => child.once('exit', resolve));
  const numbers = /^RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) ([\d.]+)$/m.exec(output);
  if (numbers === null) throw new Error(`the WebSocket load did not report:\n${output}`);
  const [messages, errors, p50Ms, p99Ms, maxMs] = numbers.slice(1).map(Number);
  return { requests: messages, seconds, bytes: messages * frame.length, errors, p50Ms, p99Ms, maxMs };
}

function serve(port: number): void {
  createServer({ noDelay: true }, (socket) => {
    let head = '';
    socket.on('error', () => socket.destroy());
    const onHead = (chunk: Buffer): void => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', onHead);
      socket.on('data', (bytes: Buffer) => socket.write(bytes));
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
    };
    socket.on('data', onHead);
  }).listen({ port, host: '127.0.0.1', backlog: 4096 });
}

async function load(port: number, connections: number, seconds: number): Promise<void> {
  const sockets: Socket[] = [];
  const times: number[] = [];
  let messages = 0;
  let errors = 0;
  const open = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      let head = '';
      let missing = 0;
      let sentAt = 0;
      const send = (): void => {
        missing = frame.length;
        sentAt = performance.now();
        socket.write(frame);
      };
      socket.on('error', () => {
        errors++;
        resolve();
      });
      socket.on('connect', () =>
        socket.write(
          `GET /echo HTTP/1.1\r\nHost: bench.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
        ),
      );
      socket.on('data', (chunk: Buffer) => {
        if (missing === 0) {
          head += chunk.toString('latin1');
          if (!head.endsWith('\r\n\r\n')) return;
          if (!head.startsWith('HTTP/1.1 101 ')) errors++;
          else {
            sockets.push(socket);
            send();
          }
          return resolve();
        }
        missing -= chunk.length;
        if (missing > 0) return;
        if (missing < 0) errors++;
        messages++;
        if ((messages & 15) === 0) times.push(performance.now() - sentAt);
        send();
      });
    });
  await Promise.all(Array.from({ length: connections }, open));
  if (sockets.length < connections) errors += connections - sockets.length;
  messages = 0;
  times.length = 0;
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const counted = messages;
  for (const socket of sockets) socket.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0).toFixed(3);
  console.log(`RESULT ${counted} ${errors} ${at(0.5)} ${at(0.99)} ${at(1)}`);
}

if (process.argv[1] === script) {
  const [, , mode, ...numbers] = process.argv;
  const [port = 0, connections = 0, seconds = 0] = numbers.map(Number);
  if (mode === 'serve') serve(port);
  else await load(port, connections, seconds);
}
