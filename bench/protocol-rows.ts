/** The rows beyond plain HTTP/1.1. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from './contenders/contender.ts';
import { startHttp2Upstream } from './contenders/nginx.ts';
import {
  haproxyGrpc,
  haproxyTcp,
  haproxyTls,
  haproxyWebSocket,
  nginxGrpc,
  nginxStream,
  nginxTls,
  nginxWebSocket,
  weirGrpc,
  weirTcp,
  weirTls,
  weirWebSocket,
} from './contenders/protocols.ts';
import { h2load } from './h2load.ts';
import { handshakes } from './handshakes.ts';
import type { Generator, Row } from './rows.ts';
import { startEcho, webSocketLoad } from './websocket.ts';
import { wrk } from './wrk.ts';

const common = { path: '/small', headers: [], per: 'request' } as const;

const overTls: Generator = ({ port, row, seconds, headers, cpu, directory }) =>
  wrk({ url: `https://127.0.0.1:${port}${row.path}`, connections: row.connections, seconds, headers, cpu, directory });

const overHttp2: Generator = ({ port, row, seconds, headers, cpu }) =>
  h2load({ url: `https://127.0.0.1:${port}${row.path}`, clients: row.connections, streams: 32, seconds, headers, data: null, cpu });

/** A unary call as the wire sees it: a message of 128 bytes with its five bytes of framing, posted to an HTTP/2 server that answers 1 KiB. */
const unaryCall: Generator = ({ port, row, seconds, headers, cpu, directory }) => {
  const data = join(directory, 'message');
  const message = Buffer.alloc(133, 'g');
  message.writeUInt32BE(128, 1);
  message[0] = 0;
  writeFileSync(data, message);
  return h2load({ url: `http://127.0.0.1:${port}/bench.Echo/Unary`, clients: row.connections, streams: 32, seconds, headers, data, cpu });
};

const echo: Generator = ({ port, row, seconds, cpu }) => webSocketLoad(port, row.connections, seconds, cpu);

/** What curl gets must be the body of the row, by the protocol that is measured. */
function curlCheck(scheme: string, version: string, want: string): NonNullable<Row['check']> {
  return async (port, name) => {
    const format = '%{http_code} %{http_version} %{size_download}';
    const got = spawnSync('curl', ['-sk', version, '-o', '/dev/null', '-w', format, `${scheme}://127.0.0.1:${port}/small`]);
    if (got.stdout.toString() !== want) throw new Error(`${name} answered '${got.stdout.toString()}' and not '${want}'`);
  };
}

/** A stand-in for the row's upstream: the contender is started with its port. */
function behind(contender: Contender, startUpstream: (directory: string) => { readonly port: number; stop(): Promise<void> }): Contender {
  return {
    ...contender,
    start(site) {
      const directory = join(site.directory, 'upstream');
      mkdirSync(directory);
      const upstream = startUpstream(directory);
      const started = contender.start({ ...site, upstreamPort: upstream.port });
      return {
        ...started,
        async stop() {
          await started.stop();
          await upstream.stop();
        },
      };
    },
  };
}

let nextPort = 29_700;
const loadCpu = '1';

const withEcho = (contender: Contender): Contender =>
  behind(contender, (directory) => {
    const port = nextPort++;
    return { port, stop: startEcho(port, loadCpu, directory, join(directory, 'output.log')).stop };
  });

const withHttp2 = (contender: Contender): Contender =>
  behind(contender, (directory) => {
    const port = nextPort++;
    return { port, stop: startHttp2Upstream({ port, upstreamPort: 0, directory, cpu: loadCpu }).stop };
  });

const grpc = [weirGrpc, nginxGrpc, haproxyGrpc].map(withHttp2);
const webSocket = [weirWebSocket, nginxWebSocket, haproxyWebSocket].map(withEcho);

export const protocolRows: readonly Row[] = [
  {
    ...common,
    id: 'tls',
    title: 'TLS 1.3, HTTP/1.1, 64 keep-alive connections',
    contenders: [weirTls, nginxTls, haproxyTls],
    peer: nginxTls,
    target: 1.0,
    connections: 64,
    load: overTls,
    check: curlCheck('https', '--http1.1', '200 1.1 1024'),
  },
  {
    ...common,
    id: 'handshake',
    title: 'Full TLS 1.3 handshakes (ECDSA P-256), one request each',
    contenders: [weirTls, nginxTls, haproxyTls],
    peer: nginxTls,
    // 0.9 of nginx's handshakes a second on the same CPU.
    target: 1 / 0.9,
    connections: 64,
    per: 'handshake',
    load: ({ port, row, seconds, cpu }) => handshakes(port, row.path, seconds, cpu),
    check: curlCheck('https', '--http1.1', '200 1.1 1024'),
  },
  {
    ...common,
    id: 'h2',
    title: 'HTTP/2 over TLS to HTTP/1.1: 8 connections, 32 streams each',
    contenders: [weirTls, nginxTls, haproxyTls],
    peer: nginxTls,
    target: 1.15,
    connections: 8,
    load: overHttp2,
    check: curlCheck('https', '--http2', '200 2 1024'),
  },
  {
    ...common,
    id: 'grpc',
    title: 'gRPC-shaped unary calls, HTTP/2 on both sides without TLS: 8 connections, 32 streams each',
    contenders: grpc,
    peer: grpc[1],
    target: 1.15,
    connections: 8,
    headers: ['content-type: application/grpc', 'te: trailers'],
    load: unaryCall,
    check: curlCheck('http', '--http2-prior-knowledge', '200 2 1024'),
  },
  {
    ...common,
    id: 'websocket',
    title: 'WebSocket echo: frames of 64 bytes, 64 connections',
    contenders: webSocket,
    peer: webSocket[1],
    target: 1.0,
    connections: 64,
    per: 'message',
    load: echo,
    check: async () => undefined,
  },
  {
    ...common,
    id: 'tcp',
    title: 'TCP: 1 MiB at a time, 16 connections',
    contenders: [weirTcp, nginxStream, haproxyTcp],
    peer: nginxStream,
    target: 1.0,
    connections: 16,
    path: '/1m',
    per: 'MiB',
  },
];
