/** A rig that speaks HTTP/2, under TLS and in plain text, in front of one raw backend. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from 'node:http2';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { defaultServerTls } from '../../src/model/tls.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import { FrameClient } from './h2-frames.ts';
import { Pki, type Issued } from './pki.ts';
import { RawBackend, type BackendConnection } from './raw.ts';
import { clusterOf, origin, Rig, routeTo, snapshotOf, type RigOptions } from './rig.ts';

export interface Http2Rig {
  readonly rig: Rig;
  readonly port: number;
  readonly backend: RawBackend;
  readonly caFile: string;
  readonly ca: string;
  readonly issued: Issued;
}

/** A snapshot whose listener ends TLS with `issued` and offers h2. */
export function secured(snapshot: Snapshot, issued: Issued): Snapshot {
  const secret = { name: 'leaf', certificate: issued.certificate, privateKey: issued.privateKey, ca: null, origin };
  const tls = { ...defaultServerTls, certificates: ['leaf'], alpn: ['h2', 'http/1.1'] };
  const chain = { name: 'tls', serverNames: [], sources: [], destinations: [], tls, forward: null, origin };
  const listeners = snapshot.listeners.map((listener) => ({ ...listener, chains: [chain] }));
  return { ...snapshot, listeners, secrets: [secret] };
}

/** With TLS; asserts at the end that no guard caught a bug. */
export async function securedRig(
  t: TestContext,
  onConnection: (connection: BackendConnection, index: number) => void,
  options: RigOptions = {},
): Promise<Http2Rig> {
  const backend = await RawBackend.start(onConnection);
  t.after(() => backend.close());
  return { ...(await securedFront(t, backend.port, options)), backend };
}

/** The same in front of whatever listens on a port of loopback. */
export async function securedFront(t: TestContext, upstream: number, options: RigOptions = {}): Promise<Omit<Http2Rig, 'backend'>> {
  const pki = new Pki(t);
  const issued = pki.issue({ names: ['DNS:a.test', 'DNS:localhost', 'IP:127.0.0.1'] });
  const make = (port: number): Snapshot => secured(snapshotOf(port, [routeTo('b')], [clusterOf('b', [upstream])], options), issued);
  const rig = await Rig.start(make, options);
  t.after(async () => {
    await rig.close();
    assert.deepEqual(rig.faults, [], 'no bug was caught by a guard');
  });
  return { rig, port: rig.port, caFile: pki.caFile, ca: pki.ca, issued };
}

/** A session of node:http2's client; closed when the test ends. */
export async function session(
  t: TestContext,
  { port, ca }: Pick<Http2Rig, 'port' | 'ca'>,
  options: object = {},
): Promise<ClientHttp2Session> {
  const client = connect(`https://localhost:${port}`, { ca, ...options });
  client.on('error', () => undefined);
  t.after(() => client.destroy());
  await once(client, 'connect');
  return client;
}

export interface Http2Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>> | null;
  readonly body: string;
  /** Error code of the reset that ended it; 0: it ended in good order. */
  readonly code: number;
}

/** Reads a response to its end, whatever that is. */
export async function replyOf(stream: ClientHttp2Stream): Promise<Http2Reply> {
  let headers: Record<string, unknown> = {};
  let trailers: Record<string, unknown> | null = null;
  let body = '';
  stream.setEncoding('latin1');
  stream.on('response', (fields) => (headers = { ...fields }));
  stream.on('trailers', (fields) => (trailers = { ...fields }));
  stream.on('data', (text: string) => (body += text));
  stream.on('error', () => undefined);
  await new Promise((resolve) => stream.on('close', resolve));
  return { status: Number(headers[':status'] ?? 0), headers, trailers, body, code: stream.rstCode ?? 0 };
}

/** One request on a session. */
export function ask(client: ClientHttp2Session, headers: OutgoingHttpHeaders, body: Buffer | string | null = null): Promise<Http2Reply> {
  const stream = client.request({ ':authority': 'a.test', ...headers }, { endStream: body === null });
  if (body !== null) stream.end(body);
  return replyOf(stream);
}

/** Frames under TLS. */
export async function frames({ port, ca }: Pick<Http2Rig, 'port' | 'ca'>, settings?: Buffer): Promise<FrameClient> {
  const socket = connectTls({ port, host: '127.0.0.1', ca, servername: 'localhost', ALPNProtocols: ['h2'] });
  await once(socket, 'secureConnect');
  return FrameClient.over(socket, settings);
}
