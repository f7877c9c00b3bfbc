/** The page of Weir's Listener: what the fields of `spec` mean, with the defaults as the code has them. */
import { weirLimits } from '../../src/dialects/weir/listeners.ts';
import { type Canonicalisation, defaultLimits, edgeCanonicalisation, type HttpLimits } from '../../src/model/listener.ts';
import { defaultStreams } from '../../src/proxy/protocol/http2/settings.ts';
import { generated, type Page, table } from './page.ts';

const fields: readonly (readonly [field: string, meaning: string])[] = [
  [
    'address',
    'An IP address, or `unix:///path` (`unix://@name` for an abstract one) with `port: 0`. Default: all interfaces, or `--bind`.',
  ],
  ['port', 'Required.'],
  ['protocol', '`HTTP` (default), `HTTPS`, `TCP`, `TLS` or `UDP`.'],
  ['hostnames', 'HTTP, HTTPS: only routes for these hosts are served. TLS: only connections for these server names are taken.'],
  ['routesFrom', 'HTTP, HTTPS: `kong` (default), `mesh`, or both, in this order.'],
  ['tls', 'HTTPS, TLS: see [certificates](../guides/certificates.md).'],
  [
    'forward.destinations',
    'TCP, TLS, UDP: `host`, `port` and `weight` (default 1) of each destination. On HTTP with `detectTimeoutMs`: of what is not HTTP.',
  ],
  ['forward.idleTimeoutMs', 'A connection, or UDP session, without a byte. Default 1 h, for UDP 60 s; 0: no limit.'],
  ['forward.maxConnections', 'Connections, or UDP sessions, at a time, over all workers. Default 0: no limit.'],
  ['detectTimeoutMs', 'HTTP with `forward`: what does not begin as HTTP, or is silent for so long, is forwarded.'],
  ['proxyProtocol', '`required`: each connection begins with a PROXY header, v1 or v2. `optional`: those from `trustedCidrs` may.'],
  ['http2', '`false`: HTTP/1.1 alone. Default: both versions.'],
  ['trustedHops', 'Proxies in front whose X-Forwarded-For, X-Forwarded-Proto and X-Request-Id are believed. Default 0.'],
  ['trustedCidrs', 'Peers for whom the same holds, and who may send PROXY headers.'],
];

const limits: Readonly<Record<keyof HttpLimits, string>> = {
  maxHeadBytes: 'Head of a request. Over it 431.',
  maxHeaders: 'Header lines of a request. Over it 431.',
  maxTargetBytes: 'Target of a request. Over it 414.',
  maxBodyBytes: 'Body of a request. Over it 413. 0: no limit.',
  headTimeoutMs:
    'From the first byte of a request to the end of its head: 408. To the first byte on a new connection: closed. Also for a PROXY header, ClientHello and handshake, then closed, and 15 s at most.',
  requestTimeoutMs: 'From the first byte of a request to the end of its body: 408. Not for gRPC and WebSockets.',
  idleTimeoutMs: 'A connection without a request is closed.',
  streamIdleTimeoutMs: 'No byte either way during a request: 408, or a reset when the answer has begun.',
  maxConnections: 'Connections, or UDP sessions, at a time, over all workers. Over it closed at once, datagrams dropped.',
  maxConnectionMs: 'A connection of HTTP ends after the requests that are then under way.',
  upgradeIdleTimeoutMs: 'A WebSocket without a byte either way is cut.',
  maxUpgradeMs: 'A WebSocket is cut.',
  maxConcurrentStreams: 'Requests at a time on one HTTP/2 connection.',
};

const canonical: Readonly<Record<keyof Canonicalisation, string>> = {
  normalizePath: 'Decode what need not be encoded, resolve `.` and `..`.',
  mergeSlashes: '`//` is `/`.',
  escapedSlashes: '`%2F`, `%5C` and `\\`: `keep`, `reject` (400), `unescape-and-redirect` (307) or `unescape-and-forward`.',
  underscores: 'Header names with `_`: `allow`, `reject` (400) or `drop`.',
  stripPort: "The listener's own port in Host plays no part in matching.",
  stripTrailingDot: 'Nor does a last dot.',
};

/** Milliseconds as they are, sizes too; what has no default is without a limit. */
function limitRows(): readonly (readonly string[])[] {
  const defaults: Readonly<Partial<Record<string, number | string>>> = {
    ...weirLimits,
    upgradeIdleTimeoutMs: '`streamIdleTimeoutMs`',
    maxConcurrentStreams: defaultStreams,
  };
  return Object.entries(limits).map(([name, meaning]) => [`\`${name}\``, defaults[name]?.toLocaleString('en') ?? 'none', meaning]);
}

const seconds = (ms: number): string => `${ms / 1000} s`;

export function listenerPages(): readonly Page[] {
  const canonicalRows = Object.entries(canonical).map(([name, meaning]) => [
    `\`${name}\``,
    `\`${String(Reflect.get(edgeCanonicalisation, name))}\``,
    meaning,
  ]);
  const text = `${generated}# Listener

\`apiVersion: weir.dev/v1\`, \`kind: Listener\`: a port where no other dialect's Gateway is wanted, or where its limits are not the right ones. A field that its
protocol makes no use of is an error. Listeners of other dialects have the limits below, but ${seconds(defaultLimits.headTimeoutMs)} for a head and
${seconds(defaultLimits.requestTimeoutMs)} for a request.

## \`spec\`

${table(
  ['field', 'meaning'],
  fields.map(([field, meaning]) => [`\`${field}\``, meaning]),
)}
## \`spec.limits\`

Bytes and milliseconds; 0 switches a time limit off. TCP and TLS use \`maxConnections\` and \`headTimeoutMs\`, UDP \`maxConnections\`.

${table(['limit', 'default', 'meaning'], limitRows())}
## \`spec.canonicalisation\`

HTTP and HTTPS: how a request is brought to the one form that routes, policies and logs see.

${table(['field', 'default', 'meaning'], canonicalRows)}`;
  return [{ path: 'docs/reference/listener.md', text }];
}
