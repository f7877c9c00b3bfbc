/** Opens sockets towards upstreams: TCP or Unix, a PROXY header first where one is wanted, TLS on top. */
import { connect, Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, TLSSocket } from 'node:tls';
import { writeProxyV1, writeProxyV2 } from '../listen/proxy-protocol-write.ts';
import type { EndpointState } from './endpoint.ts';
import { identityCheck } from './tls/identity.ts';
import { tlsReason } from './tls/failure.ts';
import { type ClientEnds, hostOf, type Purpose, serverNameOf, type Transport, type TransportTls } from './transport.ts';

/**
 * Where bytes that arrive go: `net.connect({onread})`. `callback` returns false to stop reading until `resume`. `buffer` is asked
 * after each read; undefined stands for the buffer of the last one.
 */
export interface ReadInto {
  readonly buffer: () => Uint8Array | undefined;
  readonly callback: (bytes: number, buffer: Uint8Array) => boolean;
}

export interface OpenOptions {
  /** Its authority is the SNI where the configuration names none ('' at layer 4), its client stands in a PROXY header (null: health checks). */
  readonly purpose: Pick<Purpose, 'authority' | 'client'>;
  /** Null: the caller reads the socket as a stream, or hands it to node:http2. */
  readonly read: ReadInto | null;
  /** Protocols to offer in place of those of the cluster's `protocol`; empty: none. */
  readonly alpn?: readonly string[];
}

/** The event after which a socket of this transport takes and brings the protocol's bytes. */
export function readyEvent(transport: Transport): 'connect' | 'secureConnect' {
  return transport.tls === null && transport.failure === null ? 'connect' : 'secureConnect';
}

/** What the handshake agreed on, once ready: `h2`, `http/1.1`; '' without TLS or agreement. */
export function agreedProtocol(socket: Socket): string {
  return socket instanceof TLSSocket && typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '';
}

/**
 * Begins to connect. Ready at `readyEvent(endpoint.transport)`, failed at `error` and `close`. It never throws, and a transport
 * that has a `failure` gives a socket that ends with it: nobody falls back to plain text by forgetting to look.
 */
export function openSocket(endpoint: EndpointState, options: OpenOptions): Socket {
  const { transport } = endpoint;
  if (transport.failure !== null) return failed(tlsReason(transport.failure));
  try {
    return transport.tls === null ? openPlain(endpoint, transport, options) : openTls(endpoint, transport, transport.tls, options);
  } catch (error) {
    // A port or a path that no socket takes.
    return failed(error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'ERROR');
  }
}

function failed(code: string): Socket {
  const socket = new Socket();
  socket.destroy(Object.assign(new Error('no socket'), { code, syscall: 'connect' }));
  return socket;
}

function openPlain(endpoint: EndpointState, { proxyProtocol }: Transport, { purpose, read }: OpenOptions): Socket {
  const settings = { ...targetOf(endpoint), noDelay: true, allowHalfOpen: true, autoSelectFamily: false };
  // The types of node:net know no buffer that stays.
  const socket: Socket = read === null ? connect(settings) : Reflect.apply(connect, undefined, [{ ...settings, onread: { ...read } }]);
  // Queued before anything else can be: the first bytes of the connection.
  if (proxyProtocol !== null) socket.write(proxyHeader(proxyProtocol, purpose.client));
  return socket;
}

function targetOf(endpoint: EndpointState): { readonly host: string; readonly port: number } | { readonly path: string } {
  const { address, port } = endpoint;
  if (!endpoint.isUnix) return { host: address, port };
  return { path: address.startsWith('@') ? `\0${address.slice(1)}` : address };
}

function openTls(endpoint: EndpointState, transport: Transport, tls: TransportTls, options: OpenOptions): TLSSocket {
  const { read } = options;
  const { authority } = options.purpose;
  const name = tls.sni ?? (authority === '' ? (endpoint.hostname ?? endpoint.address) : hostOf(authority));
  const servername = serverNameOf(name);
  const session = endpoint.sessions.take(name);
  const common = {
    secureContext: tls.context,
    ALPNProtocols: [...(options.alpn ?? tls.alpn)],
    rejectUnauthorized: tls.verify,
    checkServerIdentity: identityCheck(tls.subjectAltNames.length > 0 ? tls.subjectAltNames : [name]),
    allowHalfOpen: true,
    ...(servername === '' ? {} : { servername }),
    ...(session === undefined ? {} : { session }),
  };
  // A Unix socket may fail before `connect` of node:tls returns, which that does not bear.
  const isDirect = transport.proxyProtocol === null && !endpoint.isUnix;
  const socket = isDirect
    ? connectDirect(endpoint, common, read)
    : connectUpon(openPlain(endpoint, transport, { ...options, read: null }), common, read);
  socket.on('session', (ticket) => {
    if (endpoint.transport === transport) endpoint.sessions.give(name, ticket, socket.getProtocol() !== 'TLSv1.3');
  });
  let isReady = false;
  socket.once('secureConnect', () => (isReady = true));
  socket.on('error', () => {
    if (!isReady) endpoint.sessions.drop(name);
    // An alert that comes after the handshake (a client certificate refused in TLS 1.3) leaves the socket open.
    socket.destroy();
  });
  return socket;
}

function connectDirect(endpoint: EndpointState, common: ConnectionOptions, read: ReadInto | null): TLSSocket {
  // Passed on to node:net; the types of node:tls do not know these two.
  const more = { autoSelectFamily: false, ...(read === null ? {} : { onread: { ...read } }) };
  const settings = { ...common, ...targetOf(endpoint), ...more };
  const socket = connectTls(settings);
  socket.setNoDelay(true);
  return socket;
}

function connectUpon(raw: Socket, common: ConnectionOptions, read: ReadInto | null): TLSSocket {
  let socket: TLSSocket | null = null;
  // The upper socket does not hear of a connect that failed.
  raw.on('error', (error) => void socket?.destroy(error));
  socket = connectTls({ ...common, socket: raw });
  // Nor is `onread` called of a socket upon another.
  if (read !== null) socket.on('data', (chunk: Buffer) => void (read.callback(chunk.length, chunk) || socket.pause()));
  return socket;
}

function proxyHeader(version: 'v1' | 'v2', client: ClientEnds | null): Buffer {
  const addresses =
    client === null
      ? null
      : {
          sourceAddress: client.remoteAddress,
          sourcePort: client.remotePort,
          destinationAddress: client.localAddress,
          destinationPort: client.localPort,
        };
  return version === 'v1' ? writeProxyV1(addresses) : writeProxyV2(addresses);
}
