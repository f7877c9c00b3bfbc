/** Listeners that end TLS, and independent clients for them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { ConnectionChain } from '../../src/model/chain.ts';
import { defaultServerTls, type Secret, type ServerTls } from '../../src/model/tls.ts';
import { answering, RawBackend } from './raw.ts';
import { hello } from './proxied.ts';
import { clusterOf, origin, Rig, routeTo, snapshotOf, type RigOptions } from './rig.ts';

export function tlsOf(certificates: readonly string[], more: Partial<ServerTls> = {}): ServerTls {
  return { ...defaultServerTls, certificates, alpn: ['http/1.1'], ...more };
}

export function chainOf(name: string, more: Partial<ConnectionChain> = {}): ConnectionChain {
  return { name, serverNames: [], sources: [], destinations: [], tls: null, forward: null, origin, ...more };
}

export interface Fixture {
  readonly rig: Rig;
  readonly backend: RawBackend;
  readonly port: number;
  /** The same listener with other chains or secrets. */
  readonly apply: (chains: readonly ConnectionChain[], secrets: readonly Secret[]) => Promise<void>;
}

/** A rig with these chains in front of a backend that says hello; asserts at the end that no guard caught a bug. */
export async function behindTls(
  t: TestContext,
  chains: readonly ConnectionChain[],
  secrets: readonly Secret[],
  options: RigOptions = {},
): Promise<Fixture> {
  const backend = await RawBackend.start(answering(() => hello));
  const make = (port: number, list: readonly ConnectionChain[], known: readonly Secret[]) => ({
    ...snapshotOf(port, [routeTo('b')], [clusterOf('b', [backend.port])], {
      ...options,
      listener: { dialect: 'istio', ...options.listener, chains: list },
    }),
    secrets: known,
  });
  const rig = await Rig.start((port) => make(port, chains, secrets), options);
  t.after(async () => {
    await rig.close();
    backend.close();
    assert.deepEqual(rig.faults, [], 'no bug was caught by a guard');
  });
  return { rig, backend, port: rig.port, apply: (list, known) => rig.apply(make(rig.port, list, known)) };
}

/** What an independent program says; never waits longer than ten seconds. */
export async function runProgram(
  command: string,
  args: readonly string[],
  input = '',
): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(command, args, { timeout: 10_000 });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('latin1').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('latin1').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [code]: unknown[] = await once(child, 'close');
  return { code: typeof code === 'number' ? code : -1, stdout, stderr };
}

export interface Shaken {
  readonly socket: TLSSocket;
  /** Null, or why the handshake failed or the connection ended at once. */
  readonly error: string | null;
  readonly reply: string;
  readonly reused: boolean;
  /** Common name of the certificate that was shown; '' for none. */
  readonly name: string;
}

/** A handshake and one request by Node's own client, on a connection of its own that is closed afterwards. */
export async function shake(
  port: number,
  options: ConnectionOptions = {},
  request = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
): Promise<Shaken> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  let error: string | null = null;
  let reply = '';
  let reused = false;
  let name = '';
  socket.on('secureConnect', () => {
    reused = socket.isSessionReused();
    name = socket.getPeerX509Certificate()?.subject.split('CN=')[1] ?? '';
    socket.write(request);
  });
  socket.on('data', (chunk: Buffer) => {
    reply += chunk.toString('latin1');
    if (reply.endsWith('hello') || reply.includes('\r\nconnection: close\r\n')) socket.end();
  });
  socket.on('error', (failure) => (error = 'code' in failure ? String(failure.code) : failure.message));
  await new Promise((resolve) => socket.on('close', resolve));
  if (error === null && reply === '') error = 'closed';
  return { socket, error, reply, reused, name };
}

/** Resolves to the session of a connection, for resumption. */
export async function sessionOf(port: number, options: ConnectionOptions = {}): Promise<Buffer> {
  const sessions: Buffer[] = [];
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  socket.on('session', (session: Buffer) => sessions.push(session));
  socket.on('error', () => undefined);
  socket.write('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n');
  socket.resume();
  await new Promise((resolve) => socket.on('close', resolve));
  const last = sessions.at(-1);
  assert.ok(last !== undefined, 'the server gave a session');
  return last;
}
