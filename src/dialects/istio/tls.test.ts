/** Gateway servers with TLS and bytes, their routes, and TLS towards services. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { caConfigMap, pem, tlsSecret } from '../../../tests/support/pem.ts';
import type { ConnectionChain, L4Forward } from '../../model/chain.ts';
import { answer, compileText, told } from './fixture.ts';

const object = (kind: string, spec: string, name: string): string =>
  `apiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: {${spec}}\n---\n`;
const gateway = (servers: string, name = 'g'): string => object('Gateway', `servers: [${servers}]`, name);
const server = (protocol: string, hosts: string, more = '', port = 443): string =>
  `{port: {number: ${port}, name: ${protocol.toLowerCase()}, protocol: ${protocol}}, hosts: [${hosts}]${more}}`;
const simple = ', tls: {mode: SIMPLE, credentialName: web}';
const through = ', tls: {mode: PASSTHROUGH}';
const virtual = (hosts: string, routes: string, name = 'v', gateways = 'g'): string =>
  object('VirtualService', `hosts: [${hosts}], gateways: [${gateways}], ${routes}`, name);
const respond = 'http: [{directResponse: {status: 200}}]';
const to = (port: number): string => `route: [{destination: {host: 127.0.0.1, port: {number: ${port}}}}]`;
const cacert = `apiVersion: v1\nkind: Secret\nmetadata: {name: web-cacert, namespace: default}\nstringData:\n  cacert: |\n${pem('ca.crt').trimEnd().replace(/^/gm, '    ')}\n---\n`;
const [web, other, clients] = [
  `${tlsSecret('default', 'web', 'server')}---\n`,
  `${tlsSecret('default', 'other', 'other')}---\n`,
  `${caConfigMap('default', 'clients')}---\n`,
];
const hex = 'ab'.repeat(32);

function forwardText({ destinations, blocked, idleTimeoutMs, maxConnections }: L4Forward): string {
  const idle = idleTimeoutMs === 3_600_000 ? '' : ` idle ${idleTimeoutMs}`;
  const most = maxConnections === 0 ? '' : ` max ${maxConnections}`;
  if (blocked !== undefined) return `closed: ${blocked}`;
  const parts = destinations.map(
    ({ cluster, weight, invalidReason }) => `${destinations.length > 1 ? `${weight}×` : ''}${cluster ?? invalidReason}`,
  );
  return `to ${parts.join('+')}${idle}${most}`;
}

/** One line a chain: server names, addresses, TLS that ends, and what comes then. */
function chainText({ serverNames, isTls, sources, destinations, tls, forward, virtualHosts }: ConnectionChain): string {
  const parts: readonly string[] = [
    serverNames.length === 0 ? (isTls === true ? 'any TLS' : 'any') : serverNames.join(','),
    sources.length === 0 ? '' : `from ${sources.join()}`,
    destinations.length === 0 ? '' : `at ${destinations.join()}`,
    tls === null ? '' : `ends ${tls.certificates.map((name) => name.split('/').at(-1)).join() || 'nothing'}`,
    tls === null || tls.clientCertificate === 'none' ? '' : `${tls.clientCertificate} ${(tls.ca ?? '').split('/').at(-1) ?? ''}`,
    forward === null ? `http${virtualHosts === undefined ? '' : ` ${virtualHosts.join()}`}` : forwardText(forward),
  ];
  return parts.filter((part) => part !== '').join(' ');
}

const rows: readonly {
  readonly name: string;
  readonly config: string;
  readonly chains: readonly string[];
  readonly told?: readonly string[];
}[] = [
  {
    name: 'SIMPLE with a Secret of its namespace',
    config: gateway(server('HTTPS', '"*.example.com"', simple)) + virtual('"*.example.com"', respond) + web,
    chains: ['*.example.com ends web http'],
  },
  {
    name: 'a server for every host takes clients without SNI',
    config: gateway(server('HTTPS', '"*"', simple)) + virtual('"*"', respond) + web,
    chains: ['any TLS ends web http'],
  },
  {
    name: 'several certificates; one that is missing leaves the others',
    config:
      gateway(server('HTTPS', 'a.test', ', tls: {mode: SIMPLE, credentialNames: [web, gone, other]}')) +
      virtual('a.test', respond) +
      web +
      other,
    chains: ['a.test ends web,other http'],
    told: ["WR0333 there is no Secret 'default/gone'"],
  },
  {
    name: 'MUTUAL with the authorities of NAME-cacert',
    config: gateway(server('HTTPS', 'a.test', ', tls: {mode: MUTUAL, credentialName: web}')) + virtual('a.test', respond) + web + cacert,
    chains: ['a.test ends web require web-cacert#ca http'],
  },
  {
    name: 'OPTIONAL_MUTUAL with authorities of a ConfigMap',
    config:
      gateway(server('HTTPS', 'a.test', ', tls: {mode: OPTIONAL_MUTUAL, credentialName: web, caCertCredentialName: clients}')) +
      virtual('a.test', respond) +
      web +
      clients,
    chains: ['a.test ends web optional clients#ca http'],
  },
  {
    name: 'MUTUAL without authorities is closed',
    config: gateway(server('HTTPS', 'a.test', ', tls: {mode: MUTUAL, credentialName: web}')) + virtual('a.test', respond) + web,
    chains: ['a.test ends nothing http'],
    told: ["WR0333 Secret 'default/web' holds no authorities (ca.crt, or cacert)"],
  },
  {
    name: 'a Secret that is missing closes its server, the others serve',
    config:
      gateway(`${server('HTTPS', 'a.test', simple)}, ${server('HTTPS', 'b.test', ', tls: {mode: SIMPLE, credentialName: gone}')}`) +
      virtual('a.test, b.test', respond) +
      web,
    chains: ['a.test ends web http a.test', 'b.test ends nothing http b.test'],
    told: ["WR0333 there is no Secret 'default/gone'"],
  },
  {
    name: 'ISTIO_MUTUAL needs the mesh',
    config: gateway(server('HTTPS', 'a.test', ', tls: {mode: ISTIO_MUTUAL}')) + virtual('a.test', respond),
    chains: ['a.test ends nothing http'],
    told: ["WR0109 ISTIO_MUTUAL needs the mesh's certificates, which do not run yet"],
  },
  {
    name: 'HTTPS without tls',
    config: gateway(server('HTTPS', 'a.test')) + virtual('a.test', respond),
    chains: [],
    told: ['WR0106 spec.servers[0].tls is required on HTTPS; port 443 stays closed'],
  },
  {
    name: 'SIMPLE without a certificate',
    config: gateway(server('HTTPS', 'a.test', ', tls: {mode: SIMPLE}')) + virtual('a.test', respond),
    chains: ['a.test ends nothing http'],
    told: ['WR0106 spec.servers[0].tls.credentialName is required: TLS ends here'],
  },
  {
    name: 'without a mode TLS is passed through, and certificates are not used',
    config: gateway(server('HTTPS', 'a.test', ', tls: {credentialName: web}')) + virtual('a.test', respond) + web,
    chains: ['a.test closed: no route of a VirtualService takes the connection'],
    told: ['WR0216 tls.credentialName has no effect in mode PASSTHROUGH', 'WR0217 no server takes http routes: they speak HTTPS'],
  },
  {
    name: 'cipher suites: one that is none is left out; only such ones close the server',
    config:
      gateway(
        `${server('HTTPS', 'a.test', ', tls: {mode: SIMPLE, credentialName: web, cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256, NULL-X]}')}, ${server('HTTPS', 'b.test', ', tls: {mode: SIMPLE, credentialName: web, cipherSuites: [NULL-X]}')}`,
      ) +
      virtual('a.test, b.test', respond) +
      web,
    chains: ['a.test ends web http a.test', 'b.test ends nothing http b.test'],
    told: ["WR0105 'NULL-X' is no cipher suite that OpenSSL has", "WR0105 'NULL-X' is no cipher suite that OpenSSL has"],
  },
  {
    name: 'a lowest version above the highest',
    config:
      gateway(server('HTTPS', 'a.test', ', tls: {mode: SIMPLE, credentialName: web, maxProtocolVersion: TLSV1_1}')) +
      virtual('a.test', respond) +
      web,
    chains: ['a.test ends nothing http'],
    told: ['WR0105 no version of TLS lies from TLSv1.2 to TLSv1.1'],
  },
  {
    name: 'PASSTHROUGH beside termination: the narrower name comes first, whatever the order',
    config:
      gateway(`${server('TLS', '"*.example.com"', through)}, ${server('HTTPS', 'shop.example.com', simple)}`) +
      virtual('shop.example.com', respond) +
      virtual('"*.example.com"', `tls: [{match: [{sniHosts: ["*.example.com"]}], ${to(1)}}]`, 'w') +
      web,
    chains: [
      'shop.example.com ends web http shop.example.com',
      '*.example.com to 127.0.0.1|1',
      '*.example.com closed: no route of a VirtualService takes the connection',
    ],
  },
  {
    name: 'tls routes by name, narrowest first, and the first of equals; gateways, ports and labels decide',
    config:
      gateway(server('TLS', '"*"', through)) +
      virtual(
        '"*.test"',
        `tls: [{match: [{sniHosts: ["*.test"]}], ${to(1)}}, {match: [{sniHosts: [a.test, "*.b.test"], port: 443}], ${to(2)}}, {match: [{sniHosts: [a.test]}], ${to(3)}}, {match: [{sniHosts: [c.test], port: 80}], ${to(4)}}, {match: [{sniHosts: [d.test], gateways: [mesh]}], ${to(5)}}, {match: [{sniHosts: [e.test], sourceLabels: {a: b}}], ${to(6)}}, {match: [{sniHosts: [f.example.com]}], ${to(7)}}]`,
      ),
    chains: [
      'a.test to 127.0.0.1|2',
      'a.test to 127.0.0.1|3',
      '*.b.test to 127.0.0.1|2',
      '*.test to 127.0.0.1|1',
      'any TLS closed: no route of a VirtualService takes the connection',
    ],
    told: ["WR0210 'f.example.com' is none of the hosts of the VirtualService"],
  },
  {
    name: 'tcp routes in their order, with subnets and weights',
    config:
      gateway(server('TCP', '"*"', '', 5432)) +
      virtual(
        '"*"',
        `tcp: [{match: [{sourceSubnet: 10.0.0.0/8, destinationSubnets: ["10.1.0.0/16", "::1"]}], ${to(1)}}, {match: [{port: 1}], ${to(2)}}, {route: [{destination: {host: 127.0.0.1, port: {number: 3}}, weight: 1}, {destination: {host: 127.0.0.1}, weight: 2}]}]`,
      ),
    chains: [
      'any from 10.0.0.0/8 at 10.1.0.0/16,::1 to 127.0.0.1|1',
      'any to 1×127.0.0.1|3+2×127.0.0.1|5432',
      'any closed: no route of a VirtualService takes the connection',
    ],
  },
  {
    name: 'MONGO is bytes; TLS that ends before them',
    config:
      gateway(server('MONGO', '"*"', '', 27017)) +
      gateway(server('TLS', 'db.test', simple), 'h') +
      virtual('"*"', `tcp: [{${to(1)}}]`) +
      virtual('db.test', `tcp: [{${to(2)}}]`, 'w', 'h') +
      web,
    chains: [
      'any to 127.0.0.1|1',
      'any closed: no route of a VirtualService takes the connection',
      'db.test ends web to 127.0.0.1|2',
      'db.test ends web closed: no route of a VirtualService takes the connection',
    ],
  },
  {
    name: 'two servers with one host: the first has it',
    config:
      gateway(
        `${server('HTTPS', 'a.test, b.test', simple)}, ${server('HTTPS', 'b.test', ', tls: {mode: SIMPLE, credentialName: other}')}`,
      ) +
      virtual('b.test', respond) +
      web +
      other,
    chains: ['a.test,b.test ends web http b.test,a.test'],
    told: ["WR0215 'b.test' on 0.0.0.0:443 is served by default/g/https"],
  },
  {
    name: 'a TCP server on the port of an HTTPS one is not served',
    config:
      gateway(server('HTTPS', 'a.test', simple)) + gateway(server('TCP', '"*"'), 'h') + virtual('"*"', `tcp: [{${to(1)}}]`, 'v', 'h') + web,
    chains: ['a.test ends web http'],
    told: ["WR0212 port 443 is HTTPS for Gateway 'default/g' and TCP here; this server is not served"],
  },
  {
    name: 'defaultEndpoint takes what no route does',
    config: gateway(server('TCP', '"*"', ', defaultEndpoint: "unix:///run/db"', 5432)),
    chains: ['any to default/g/tcp/default'],
  },
  {
    name: 'AUTO_PASSTHROUGH is pending',
    config: gateway(server('TLS', '"*.local"', ', tls: {mode: AUTO_PASSTHROUGH}')),
    chains: [],
    told: ['WR0108 spec.servers[0].tls.mode does not run yet: AUTO_PASSTHROUGH joins networks of a mesh, the server stays closed'],
  },
  {
    name: 'connectionPool.tcp of the destination, where it is the only one',
    config:
      gateway(server('TCP', '"*"', '', 5432)) +
      virtual('"*"', `tcp: [{${to(1)}}]`) +
      object('DestinationRule', 'host: 127.0.0.1, trafficPolicy: {connectionPool: {tcp: {idleTimeout: 90s, maxConnections: 5}}}', 'd'),
    chains: ['any to 127.0.0.1|1 idle 90000 max 5', 'any closed: no route of a VirtualService takes the connection'],
  },
];

for (const row of rows)
  test(`istio servers: ${row.name}`, async () => {
    const compiled = await compileText(row.config);
    assert.deepEqual(
      compiled.snapshot.listeners.flatMap(({ chains }) => (chains ?? []).map(chainText)),
      row.chains,
    );
    assert.deepEqual(
      told(compiled).map((line) => line.replace(/^(WR\d+) \S+ \S+ /, '$1 ')),
      row.told ?? [],
    );
    const names = compiled.snapshot.listeners.flatMap(({ chains }) => (chains ?? []).map(({ name }) => name));
    assert.equal(new Set(names).size, names.length, 'names of chains are unique');
  });

test('istio servers: what a MUTUAL server asks of clients', async () => {
  const settings = `mode: MUTUAL, credentialName: web, caCertCredentialName: clients, subjectAltNames: ["spiffe://a"], verifyCertificateHash: ["${hex.toUpperCase().replace(/..(?!$)/g, '$&:')}"], verifyCertificateSpki: ["${'A'.repeat(43)}="], minProtocolVersion: TLSV1_3, cipherSuites: [ecdhe-rsa-aes128-gcm-sha256]`;
  const { snapshot } = await compileText(
    gateway(server('HTTPS', 'a.test', `, tls: {${settings}}`)) + virtual('a.test', respond) + web + clients,
  );
  const tls = snapshot.listeners[0].chains?.[0].tls;
  assert.deepEqual(tls, {
    certificates: ['kubernetes/Secret/default/web'],
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    cipherSuites: ['ECDHE-RSA-AES128-GCM-SHA256'],
    clientCertificate: 'require',
    ca: 'kubernetes/ConfigMap/default/clients#ca',
    subjectAltNames: ['spiffe://a'],
    certificateHashes: [hex],
    certificateSpki: [`${'A'.repeat(43)}=`],
    alpn: ['h2', 'http/1.1'],
  });
});

test('istio servers: files are named relative to the configuration, with a list of revocations', async () => {
  const files = 'mode: MUTUAL, serverCertificate: tls/a.crt, privateKey: /etc/a.key, caCertificates: ca.crt, caCrl: ca.crl';
  const { snapshot } = await compileText(gateway(server('HTTPS', 'a.test', `, tls: {${files}}`)) + virtual('a.test', respond));
  assert.deepEqual(
    snapshot.secrets?.map(({ files: paths }) => paths),
    [
      { certificate: 'tls/a.crt', privateKey: '/etc/a.key' },
      { ca: 'ca.crt', crl: 'ca.crl' },
    ],
  );
});

test('istio servers: a digest that is none makes the Gateway broken', async () => {
  const compiled = await compileText(gateway(server('HTTPS', 'a.test', ', tls: {mode: MUTUAL, verifyCertificateHash: [abc]}')));
  assert.deepEqual(told(compiled), ['WR0105 error 4:131 spec.servers[0].tls.verifyCertificateHash[0]: it is not a digest']);
  assert.deepEqual(compiled.snapshot.listeners, []);
});

test('istio servers: hosts of an HTTPS server have their routes, others of the port none of them', async () => {
  const compiled = await compileText(
    gateway(`${server('HTTPS', '"*.test"', simple)}, ${server('HTTPS', 'b.test', ', tls: {mode: SIMPLE, credentialName: other}')}`) +
      virtual('a.test', 'http: [{directResponse: {status: 200, body: {string: a}}}]') +
      web +
      other,
  );
  assert.equal(answer(compiled, 'https://a.test/'), '200 a');
  assert.equal(answer(compiled, 'https://b.test/'), '404', 'the server for *.test does not answer for a narrower one');
  assert.deepEqual(
    compiled.snapshot.listeners[0].chains?.map(({ virtualHosts }) => virtualHosts),
    [['b.test'], ['a.test', '*.test']],
  );
});

test('istio servers: defaultEndpoint answers for what no rule matches', async () => {
  const compiled = await compileText(
    gateway(server('HTTP', 'a.test', ', defaultEndpoint: "127.0.0.1:9000"', 80)) +
      virtual('a.test', 'http: [{match: [{uri: {prefix: /x}}], directResponse: {status: 200, body: {string: x}}}]'),
  );
  assert.equal(answer(compiled, 'http://a.test/x'), '200 x');
  assert.equal(answer(compiled, 'http://a.test/y'), 'default/g/http/default /y');
  assert.deepEqual(
    compiled.snapshot.clusters[0].endpoints.map(({ address, port }) => `${address}:${port}`),
    ['127.0.0.1:9000'],
  );
});

test('istio servers: bind to a Unix socket', async () => {
  const bind = 'servers: [{bind: "unix:///run/weir.sock", port: {number: 0, name: http, protocol: HTTP}, hosts: ["*"]}]';
  const compiled = await compileText(object('Gateway', bind, 'g') + virtual('"*"', respond));
  assert.deepEqual(
    compiled.snapshot.listeners.map(({ name, address, port }) => [name, address, port]),
    [['unix:/run/weir.sock', '/run/weir.sock', 0]],
  );
  assert.deepEqual(told(compiled), []);
});

const entry = object(
  'ServiceEntry',
  'hosts: [s.test], resolution: STATIC, ports: [{number: 80, name: grpc-api}, {number: 81, name: a, protocol: HTTP}], endpoints: [{address: 10.0.0.1}], subjectAltNames: [s.internal]',
  's',
);
const toService = object(
  'VirtualService',
  'hosts: [s.test], http: [{match: [{port: 81}], route: [{destination: {host: s.test, port: {number: 81}}}]}, {route: [{destination: {host: s.test, port: {number: 80}}}]}]',
  'v',
);
const rule = (policy: string, name = 'd'): string => object('DestinationRule', `host: s.test, trafficPolicy: {${policy}}`, name);

const clusters: readonly {
  readonly name: string;
  readonly config: string;
  readonly port?: number;
  readonly seen: string;
  readonly told?: readonly string[];
}[] = [
  { name: 'ports of gRPC speak HTTP/2', config: '', seen: 'plaintext http2' },
  { name: 'others HTTP/1.1', config: '', port: 81, seen: 'plaintext' },
  {
    name: 'h2UpgradePolicy UPGRADE',
    config: rule('connectionPool: {http: {h2UpgradePolicy: UPGRADE}}'),
    port: 81,
    seen: 'plaintext http2',
  },
  {
    name: 'h2UpgradePolicy DO_NOT_UPGRADE',
    config: rule('connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}'),
    port: 81,
    seen: 'plaintext',
  },
  {
    name: 'SIMPLE: the system’s authorities, the names of the ServiceEntry',
    config: rule('tls: {mode: SIMPLE}'),
    port: 81,
    seen: 'tls sni=null ca=null names=s.internal',
  },
  {
    name: 'SIMPLE with everything',
    config: rule('tls: {mode: SIMPLE, sni: x.test, credentialName: web, subjectAltNames: [y.test]}') + web + cacert,
    port: 81,
    seen: 'tls sni=x.test ca=kubernetes/Secret/default/web-cacert#ca names=y.test',
  },
  {
    name: 'SIMPLE with files',
    config: rule('tls: {mode: SIMPLE, caCertificates: ca.crt, caCrl: ca.crl}'),
    port: 81,
    seen: 'tls sni=null ca=file/ca=ca.crt|crl=ca.crl names=s.internal',
  },
  {
    name: 'insecureSkipVerify',
    config: rule('tls: {mode: SIMPLE, insecureSkipVerify: true}'),
    port: 81,
    seen: 'tls sni=null ca=null names=s.internal unverified',
    told: ['WR0218 the certificate of the service is not looked at: anyone on the way may answer'],
  },
  {
    name: 'MUTUAL with a Secret',
    config: rule('tls: {mode: MUTUAL, credentialName: web}') + web + cacert,
    port: 81,
    seen: 'tls sni=null ca=kubernetes/Secret/default/web-cacert#ca names=s.internal shows=kubernetes/Secret/default/web',
  },
  {
    name: 'MUTUAL with files',
    config: rule('tls: {mode: MUTUAL, clientCertificate: a.crt, privateKey: a.key}'),
    port: 81,
    seen: 'tls sni=null ca=null names=s.internal shows=file/certificate=a.crt|privateKey=a.key',
  },
  {
    name: 'MUTUAL without a certificate is closed',
    config: rule('tls: {mode: MUTUAL, clientCertificate: a.crt}'),
    port: 81,
    seen: 'plaintext blocked',
    told: ['WR0106 tls.privateKey is required: mode MUTUAL shows a client certificate; requests answer 503'],
  },
  {
    name: 'a Secret that is missing is no plain text',
    config: rule('tls: {mode: SIMPLE, credentialName: gone}'),
    port: 81,
    seen: 'plaintext blocked',
    told: ["WR0333 there is no Secret 'default/gone'"],
  },
  {
    name: 'a list of revocations without authorities',
    config: rule('tls: {mode: SIMPLE, caCrl: a.crl}'),
    port: 81,
    seen: 'plaintext blocked',
    told: ['WR0109 caCrl needs caCertificates beside it; requests answer 503'],
  },
  {
    name: 'settings of the port replace those of the service',
    config: rule('tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 81}, tls: {mode: DISABLE}}]'),
    port: 81,
    seen: 'plaintext',
  },
  {
    name: 'TLS of a second rule for the host is not given up',
    config: rule('loadBalancer: {simple: RANDOM}') + rule('tls: {mode: SIMPLE}', 'e'),
    port: 81,
    seen: 'plaintext blocked',
    told: ['WR0109 DestinationRule default/e asks for TLS, and another rule for the host counts; requests answer 503'],
  },
  { name: 'PROXY protocol', config: rule('proxyProtocol: {}'), port: 81, seen: 'plaintext proxy=v1' },
  { name: 'PROXY protocol, version 2', config: rule('proxyProtocol: {version: V2}'), port: 81, seen: 'plaintext proxy=v2' },
];

for (const row of clusters)
  test(`istio upstream: ${row.name}`, async () => {
    const compiled = await compileText(entry + toService + row.config);
    const found = compiled.snapshot.clusters.find(({ name }) => name === `s.test|${row.port ?? 80}`);
    const { transport, tls, protocol, proxyProtocol, blocked } = found ?? {};
    const parts = [
      transport ?? 'none',
      tls === undefined ? '' : `sni=${tls.sni} ca=${tls.ca} names=${tls.subjectAltNames.join()}`,
      tls === undefined || tls.certificate === null ? '' : `shows=${tls.certificate}`,
      tls?.verify === false ? 'unverified' : '',
      protocol ?? '',
      proxyProtocol === undefined ? '' : `proxy=${proxyProtocol}`,
      blocked === undefined ? '' : 'blocked',
    ];
    assert.equal(parts.filter((part) => part !== '').join(' '), row.seen);
    assert.deepEqual(
      told(compiled).map((line) => line.replace(/^(WR\d+) \S+ \S+ /, '$1 ')),
      row.told ?? [],
    );
  });

test('an AuthorizationPolicy closes connections that it cannot look into', async () => {
  const policy =
    'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\nspec: {action: DENY, rules: [{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]}\n---\n';
  const { snapshot } = await compileText(gateway(server('TCP', '"*"', '', 5432)) + virtual('"*"', `tcp: [{${to(1)}}]`) + policy);
  assert.ok(snapshot.listeners[0].chains?.every(({ forward }) => forward?.blocked !== undefined));
});
