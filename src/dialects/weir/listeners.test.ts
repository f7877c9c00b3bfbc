import assert from 'node:assert/strict';
import { test } from 'node:test';
import { caConfigMap, pemPath, tlsSecret } from '../../../tests/support/pem.ts';
import type { ConnectionChain } from '../../model/chain.ts';
import { type Compiled, compileSources, defaultOptions } from '../compile.ts';

async function compile(...texts: readonly string[]): Promise<Compiled> {
  return await compileSources([{ file: 'a.yaml', text: texts.join('\n---\n') }], { ...defaultOptions, bind: '0.0.0.0' }, null);
}

function listener(spec: string, name = 'public'): string {
  return `apiVersion: weir.dev/v1\nkind: Listener\nmetadata: {name: ${name}}\nspec: {${spec}}\n`;
}

const entry =
  'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: s}\nspec: {hosts: [db.test], resolution: STATIC, ports: [{number: 5432, name: tcp}], endpoints: [{address: 10.0.0.1}]}\n';
const route =
  'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec: {hosts: [db.test], http: [{route: [{destination: {host: db.test}}]}]}\n';
const [secret, map] = [tlsSecret('default', 'web', 'server'), caConfigMap('default', 'clients')];

function chainText(chain: ConnectionChain): string {
  const { name, serverNames, isTls, tls, forward } = chain;
  const client = tls === null || tls.clientCertificate === 'none' ? '' : ` ${tls.clientCertificate} ${tls.ca}`;
  return [
    name,
    serverNames.join(',') || '-',
    isTls === true ? 'tls' : '',
    tls === null ? '' : `ends[${tls.certificates.join()}] ${tls.minVersion}-${tls.maxVersion} ${tls.alpn.join()}${client}`,
    forward === null
      ? 'http'
      : `to ${forward.destinations.map(({ cluster, weight }) => `${weight}×${cluster}`).join('+')} idle ${forward.idleTimeoutMs} max ${forward.maxConnections}${forward.blocked === undefined ? '' : ' blocked'}`,
  ]
    .filter((part) => part !== '')
    .join(' ');
}

const rows: readonly {
  readonly name: string;
  readonly spec: string;
  readonly with?: readonly string[];
  /** Name and protocol, then a line for each chain. */
  readonly listener: readonly string[];
  readonly told?: readonly string[];
}[] = [
  { name: 'plain HTTP has no chains', spec: 'port: 8080', listener: ['0.0.0.0:8080 http'] },
  {
    name: 'HTTPS with a Secret',
    spec: 'port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web}]}',
    with: [secret],
    listener: ['0.0.0.0:8443 http', 'public - tls ends[kubernetes/Secret/default/web] TLSv1.2-TLSv1.3 h2,http/1.1 http'],
  },
  {
    name: 'HTTPS without HTTP/2, with files',
    spec: `port: 8443, protocol: HTTPS, http2: false, tls: {minVersion: TLSv1.3, certificateFiles: [{certificate: web.crt, privateKey: ${pemPath('server.key')}}]}`,
    listener: [
      '0.0.0.0:8443 http',
      `public - tls ends[file/certificate=web.crt|privateKey=${pemPath('server.key')}] TLSv1.3-TLSv1.3 http/1.1 http`,
    ],
  },
  {
    name: 'HTTPS for trying out',
    spec: 'port: 8443, protocol: HTTPS, hostnames: [a.example, "*.b.example", "*"], tls: {development: true}',
    listener: ['0.0.0.0:8443 http', 'public - tls ends[development/a.example,*.b.example] TLSv1.2-TLSv1.3 h2,http/1.1 http'],
    told: ['WR0508 clients are shown a certificate that Weir signed itself, which none of them trusts'],
  },
  {
    name: 'a development certificate beside one of files',
    spec: `port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web}], development: true}`,
    with: [secret],
    listener: [
      '0.0.0.0:8443 http',
      'public - tls ends[kubernetes/Secret/default/web,development/localhost] TLSv1.2-TLSv1.3 h2,http/1.1 http',
    ],
    told: ['WR0508 clients are shown a certificate that Weir signed itself, which none of them trusts'],
  },
  {
    name: 'client certificates',
    spec: 'port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web}], clientValidation: {mode: Optional, caCertificateRef: {kind: ConfigMap, name: clients}}}',
    with: [secret, map],
    listener: [
      '0.0.0.0:8443 http',
      'public - tls ends[kubernetes/Secret/default/web] TLSv1.2-TLSv1.3 h2,http/1.1 optional kubernetes/ConfigMap/default/clients#ca http',
    ],
  },
  {
    name: 'authorities that are missing close the port',
    spec: 'port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web}], clientValidation: {caCertificateRef: {name: clients}}}',
    with: [secret],
    listener: ['0.0.0.0:8443 http', 'public - tls ends[] TLSv1.2-TLSv1.3 h2,http/1.1 http'],
    told: ["WR0333 there is no Secret 'default/clients'"],
  },
  {
    name: 'a certificate that is missing',
    spec: 'port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web}]}',
    listener: ['0.0.0.0:8443 http', 'public - tls ends[] TLSv1.2-TLSv1.3 h2,http/1.1 http'],
    told: ["WR0333 there is no Secret 'default/web'"],
  },
  {
    name: 'a cipher suite that is none',
    spec: 'port: 8443, protocol: HTTPS, tls: {cipherSuites: [ECDHE-RSA-AES128], certificateRefs: [{name: web}]}',
    with: [secret],
    listener: ['0.0.0.0:8443 http', 'public - tls ends[] TLSv1.2-TLSv1.3 h2,http/1.1 http'],
    told: ["WR0105 'ECDHE-RSA-AES128' is no cipher suite of TLS 1.2 that OpenSSL has"],
  },
  {
    name: 'TCP by weight to a service and an address',
    spec: 'port: 5432, protocol: TCP, forward: {maxConnections: 7, idleTimeoutMs: 5000, destinations: [{host: db.test, port: 5432, weight: 3}, {host: 127.0.0.1, port: 1}]}',
    with: [entry],
    listener: ['0.0.0.0:5432 tcp', 'public - to 3×db.test|5432+1×127.0.0.1|1 idle 5000 max 7'],
  },
  {
    name: 'a port that the service does not have takes its share',
    spec: 'port: 5432, protocol: TCP, forward: {destinations: [{host: db.test, port: 1}]}',
    with: [entry],
    listener: ['0.0.0.0:5432 tcp', 'public - to 1×null idle 3600000 max 0'],
  },
  {
    name: 'UDP',
    spec: 'port: 53, protocol: UDP, forward: {destinations: [{host: 127.0.0.1, port: 53}]}',
    listener: ['0.0.0.0:53/udp udp', 'public - to 1×127.0.0.1|53||udp idle 60000 max 0'],
  },
  {
    name: 'TLS passed through by name',
    spec: 'port: 443, protocol: TLS, hostnames: ["*.db.test", db.test], tls: {mode: Passthrough}, forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    listener: ['0.0.0.0:443 tcp', 'public *.db.test,db.test tls to 1×127.0.0.1|1 idle 3600000 max 0'],
  },
  {
    name: 'TLS that ends before bytes are forwarded',
    spec: 'port: 443, protocol: TLS, tls: {certificateRefs: [{name: web}]}, forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    with: [secret],
    listener: ['0.0.0.0:443 tcp', 'public - tls ends[kubernetes/Secret/default/web] TLSv1.2-TLSv1.3  to 1×127.0.0.1|1 idle 3600000 max 0'],
  },
  {
    name: 'HTTP or something else on one port',
    spec: 'port: 8080, detectTimeoutMs: 200, forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    listener: ['0.0.0.0:8080 http', 'public - http', 'public/forward - to 1×127.0.0.1|1 idle 3600000 max 0'],
  },
  { name: 'a Unix socket', spec: 'address: "unix:///run/weir.sock", port: 0', listener: ['unix:/run/weir.sock http'] },
  { name: 'HTTPS without TLS', spec: 'port: 1, protocol: HTTPS', listener: [], told: ['WR0504 spec.tls is required on HTTPS'] },
  {
    name: 'HTTP with TLS',
    spec: 'port: 1, tls: {certificateRefs: [{name: web}]}',
    with: [secret],
    listener: [],
    told: ['WR0504 HTTP has no TLS'],
  },
  { name: 'TCP without a destination', spec: 'port: 1, protocol: TCP', listener: [], told: ['WR0504 spec.forward is required on TCP'] },
  {
    name: 'HTTPS passed through',
    spec: 'port: 1, protocol: HTTPS, tls: {mode: Passthrough}',
    listener: [],
    told: ['WR0504 HTTPS ends TLS: it cannot be passed through'],
  },
  {
    name: 'certificates where TLS is passed through',
    spec: 'port: 1, protocol: TLS, tls: {mode: Passthrough, certificateRefs: [{name: web}]}, forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    with: [secret],
    listener: [],
    told: ['WR0504 TLS that is passed through has no certificate here'],
  },
  {
    name: 'a version of TLS that is passed through',
    spec: 'port: 1, protocol: TLS, tls: {mode: Passthrough, minVersion: TLSv1.3}, forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    listener: [],
    told: ['WR0504 versions of TLS that is passed through are agreed on behind here'],
  },
  {
    name: 'an optional PROXY header that nobody may send',
    spec: 'port: 1, proxyProtocol: optional',
    listener: [],
    told: ['WR0504 an optional PROXY header is believed of trustedCidrs, and there are none'],
  },
  {
    name: 'detection inside TLS',
    spec: 'port: 1, protocol: HTTPS, tls: {certificateRefs: [{name: web}]}, detectTimeoutMs: 9, forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    with: [secret],
    listener: [],
    told: ['WR0504 HTTPS makes no use of spec.forward'],
  },
  {
    name: 'a destination beside HTTP without detection',
    spec: 'port: 1, forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    listener: [],
    told: ['WR0504 forward and detectTimeoutMs go together on HTTP: what does not begin as HTTP is forwarded'],
  },
  {
    name: 'a Unix socket with a port',
    spec: 'address: "unix:///run/s", port: 80',
    listener: [],
    told: ['WR0504 a Unix socket has no port'],
  },
  {
    name: 'hostnames on TCP',
    spec: 'port: 1, protocol: TCP, hostnames: [a.example], forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    listener: [],
    told: ['WR0504 TCP makes no use of spec.hostnames'],
  },
  {
    name: 'http2 on TCP',
    spec: 'port: 1, protocol: TCP, http2: true, forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    listener: [],
    told: ['WR0504 TCP makes no use of spec.http2'],
  },
  {
    name: 'canonicalisation on TLS',
    spec: 'port: 1, protocol: TLS, tls: {mode: Passthrough}, canonicalisation: {mergeSlashes: false}, forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    listener: [],
    told: ['WR0504 TLS makes no use of spec.canonicalisation'],
  },
  {
    name: 'proxyProtocol on UDP',
    spec: 'port: 1, protocol: UDP, proxyProtocol: required, forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    listener: [],
    told: ['WR0504 UDP makes no use of spec.proxyProtocol'],
  },
  {
    name: 'trustedHops on TCP',
    spec: 'port: 1, protocol: TCP, trustedHops: 1, forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    listener: [],
    told: ['WR0504 TCP makes no use of spec.trustedHops'],
  },
  {
    name: 'trustedCidrs on TCP',
    spec: 'port: 1, protocol: TCP, trustedCidrs: [10.0.0.0/8], forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    listener: [],
    told: ['WR0504 TCP makes no use of spec.trustedCidrs'],
  },
  {
    name: 'limits.maxConnectionMs on TCP',
    spec: 'port: 1, protocol: TCP, limits: {headTimeoutMs: 1, maxConnectionMs: 1}, forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    listener: [],
    told: ['WR0504 TCP makes no use of spec.limits.maxConnectionMs'],
  },
  {
    name: 'limits.headTimeoutMs on UDP',
    spec: 'port: 1, protocol: UDP, limits: {maxConnections: 1, headTimeoutMs: 1}, forward: {destinations: [{host: 127.0.0.1, port: 1}]}',
    listener: [],
    told: ['WR0504 UDP makes no use of spec.limits.headTimeoutMs'],
  },
];

for (const row of rows)
  test(`Weir Listener: ${row.name}`, async () => {
    const { snapshot, diagnostics } = await compile(listener(row.spec), ...(row.with ?? []));
    const [found] = snapshot.listeners.filter(({ dialect }) => dialect === 'weir');
    const seen = found === undefined ? [] : [`${found.name} ${found.protocol}`, ...(found.chains ?? []).map(chainText)];
    assert.deepEqual(seen, row.listener);
    assert.deepEqual(
      diagnostics.filter(({ code }) => /^WR0(1|3|5)/.test(code)).map(({ code, message }) => `${code} ${message}`),
      row.told ?? [],
    );
  });

test('limits, PROXY protocol, detection and HTTP/2 reach the model', async () => {
  const limits = 'maxConnectionMs: 1, upgradeIdleTimeoutMs: 2, maxUpgradeMs: 3, maxConcurrentStreams: 4';
  const { snapshot } = await compile(
    listener(`port: 80, proxyProtocol: optional, trustedCidrs: [10.0.0.0/8], http2: false, limits: {${limits}}`),
  );
  const [{ limits: found, proxyProtocol, http2 }] = snapshot.listeners;
  assert.deepEqual([found.maxConnectionMs, found.upgradeIdleTimeoutMs, found.maxUpgradeMs, found.maxConcurrentStreams], [1, 2, 3, 4]);
  assert.deepEqual([proxyProtocol, http2], ['optional', false]);
});

test("Kong's own ports yield to a Listener, which serves the routes in their place", async () => {
  const kong = '_format_version: "3.0"\nservices:\n- {name: s, url: "http://127.0.0.1:1", routes: [{name: r, paths: [/]}]}\n';
  for (const port of [8000, 8443]) {
    const { snapshot, diagnostics } = await compile(kong, listener(`port: ${port}`));
    assert.deepEqual(snapshot.listeners.map((one) => `${one.dialect} ${one.port} ${one.virtualHosts.length}`).toSorted(), [
      `kong ${port === 8000 ? 8443 : 8000} 1`,
      `weir ${port} 1`,
    ]);
    assert.deepEqual(
      diagnostics.filter(({ code }) => code.startsWith('WR06')).map(({ code }) => code),
      [],
    );
    const other = await compile(kong, listener(`port: ${port}, routesFrom: [mesh]`));
    assert.ok(other.diagnostics.some(({ code }) => code === 'WR0602'));
  }
});

const keys = 'filters: [{rateLimit: {limits: [{requests: 1, per: minute}]}}]';
const headers = 'filters: [{headerModifier: {request: {set: [{name: a, value: b}]}}}]';
const tcp = listener('port: 5432, protocol: TCP, forward: {destinations: [{host: db.test, port: 5432}]}', 'db');
const policy = (targets: string, filters = keys): string =>
  `apiVersion: weir.dev/v1\nkind: Policy\nmetadata: {name: p}\nspec: {targetRefs: [${targets}], ${filters}}\n`;

const guarded: readonly { readonly name: string; readonly texts: readonly string[]; readonly blocked: boolean }[] = [
  { name: 'its Listener', texts: [policy('{kind: Listener, name: db}')], blocked: true },
  { name: 'the service behind it', texts: [policy('{kind: ServiceEntry, name: s}')], blocked: true },
  { name: 'another Listener', texts: [listener('port: 80', 'web'), policy('{kind: Listener, name: web}')], blocked: false },
  { name: 'a filter that keeps nobody out', texts: [policy('{kind: Listener, name: db}', headers)], blocked: false },
  { name: 'a broken Policy', texts: [policy('{kind: Listener, name: db}', 'filters: [{rateLimit: {}}]')], blocked: true },
];

for (const row of guarded)
  test(`a Policy does not let connections past it: ${row.name}`, async () => {
    const { snapshot, diagnostics } = await compile(tcp, entry, route, ...row.texts);
    const chains = snapshot.listeners.find(({ port }) => port === 5432)?.chains ?? [];
    assert.deepEqual(
      chains.map(({ forward }) => forward?.blocked !== undefined),
      [row.blocked],
    );
    assert.equal(
      diagnostics.some(({ code, severity }) => (code === 'WR0109' || code === 'WR0503') && severity === 'error'),
      row.blocked,
    );
  });
