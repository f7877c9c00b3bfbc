import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { requireProgram } from '../support/programs.ts';
import { type Issued, Pki, secretOf } from '../support/pki.ts';
import { behindTls, chainOf, runProgram, sessionOf, shake, tlsOf } from '../support/tls.ts';

const shown = ({ certificate, privateKey }: Issued) => ({ cert: certificate, key: privateKey, servername: 'a.test' });

await test('client certificates: demanded, optional, asked for, by name, by hash and by key', async (t) => {
  const pki = new Pki(t);
  const stranger = new Pki(t, 'another authority').issue({ names: ['URI:spiffe://mesh.test/ns/a/sa/web'] });
  const client = pki.issue({ names: ['URI:spiffe://mesh.test/ns/a/sa/web', 'DNS:web.test'], commonName: 'web' });
  const other = pki.issue({ names: ['DNS:other.test'] });
  const expired = pki.issue({ names: ['DNS:web.test'], days: -1 });
  const x509 = new X509Certificate(client.certificate);
  const hash = createHash('sha256').update(x509.raw).digest('hex');
  const spki = createHash('sha256')
    .update(x509.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
  const secrets = [secretOf('c', pki.issue({ names: ['DNS:a.test'] })), secretOf('ca', { ca: pki.ca })];
  const format = '{"why":"%DOWNSTREAM_TRANSPORT_FAILURE_REASON%","code":%RESPONSE_CODE%,"peer":"%DOWNSTREAM_PEER_SUBJECT%"}\n';
  const { apply, port, rig } = await behindTls(t, [], secrets, { accessLog: format });
  const serves = async (options: object): Promise<boolean> =>
    (await shake(port, { servername: 'a.test', ...options })).reply.includes(' 200 ');
  const rows = [
    {
      name: 'require',
      tls: { clientCertificate: 'require' as const, ca: 'ca' },
      none: false,
      client: true,
      stranger: false,
      expired: false,
      other: true,
    },
    {
      name: 'optional',
      tls: { clientCertificate: 'optional' as const, ca: 'ca' },
      none: true,
      client: true,
      stranger: false,
      expired: false,
      other: true,
    },
    {
      name: 'ask',
      tls: { clientCertificate: 'ask' as const, ca: 'ca' },
      none: true,
      client: true,
      stranger: true,
      expired: true,
      other: true,
    },
    { name: 'none', tls: { clientCertificate: 'none' as const }, none: true, client: true, stranger: true, expired: true, other: true },
    {
      name: 'a URI',
      tls: { clientCertificate: 'require' as const, ca: 'ca', subjectAltNames: ['spiffe://mesh.test/ns/a/sa/web'] },
      none: false,
      client: true,
      stranger: false,
      expired: false,
      other: false,
    },
    {
      name: 'a DNS name',
      tls: { clientCertificate: 'optional' as const, ca: 'ca', subjectAltNames: ['x.test', 'WEB.test'] },
      none: true,
      client: true,
      stranger: false,
      expired: false,
      other: false,
    },
    {
      name: 'hash',
      tls: { clientCertificate: 'require' as const, ca: 'ca', certificateHashes: [hash.toUpperCase()] },
      none: false,
      client: true,
      stranger: false,
      expired: false,
      other: false,
    },
    {
      name: 'hash alone',
      tls: { clientCertificate: 'require' as const, certificateHashes: [hash] },
      none: false,
      client: true,
      stranger: false,
      expired: false,
      other: false,
    },
    {
      name: 'key',
      tls: { clientCertificate: 'require' as const, ca: 'ca', certificateSpki: [spki] },
      none: false,
      client: true,
      stranger: false,
      expired: false,
      other: false,
    },
    {
      name: 'no authority',
      tls: { clientCertificate: 'require' as const },
      none: false,
      client: false,
      stranger: false,
      expired: false,
      other: false,
    },
    {
      name: 'a missing authority',
      tls: { clientCertificate: 'optional' as const, ca: 'nobody' },
      none: false,
      client: false,
      stranger: false,
      expired: false,
      other: false,
    },
  ];
  for (const { name, tls, ...want } of rows) {
    await apply([chainOf('https', { tls: tlsOf(['c'], tls) })], secrets);
    const found = {
      none: await serves({}),
      client: await serves(shown(client)),
      stranger: await serves(shown(stranger)),
      expired: await serves(shown(expired)),
      other: await serves(shown(other)),
    };
    assert.deepEqual(found, want, name);
  }
  const lines = await rig.logged(rows.length * 5);
  assert.deepEqual(lines.slice(0, 5), [
    { why: 'the client showed no certificate', code: 0, peer: '-' },
    { why: '-', code: 200, peer: 'CN=web,O=Weir tests,C=DE' },
    { why: 'client certificate: UNABLE_TO_VERIFY_LEAF_SIGNATURE', code: 0, peer: '-' },
    { why: 'client certificate: CERT_HAS_EXPIRED', code: 0, peer: '-' },
    { why: '-', code: 200, peer: 'CN=upstream,O=Weir tests,C=DE' },
  ]);
});

await test('a revoked certificate is refused, also for a session from before', async (t) => {
  const pki = new Pki(t);
  const [good, bad] = [pki.issue({ names: ['DNS:good.test'] }), pki.issue({ names: ['DNS:bad.test'] })];
  const server = secretOf('c', pki.issue({ names: ['DNS:a.test'] }));
  const chains = [chainOf('https', { tls: tlsOf(['c'], { clientCertificate: 'require', ca: 'ca' }) })];
  const { apply, port } = await behindTls(t, chains, [server, secretOf('ca', { ca: pki.ca })]);
  const session = await sessionOf(port, shown(bad));
  assert.equal((await shake(port, { ...shown(bad), session })).reused, true);
  await apply(chains, [server, secretOf('ca', { ca: pki.ca, crl: pki.revoke([bad]) })]);
  assert.equal((await shake(port, shown(bad))).reply, '');
  assert.equal((await shake(port, { ...shown(bad), session })).reply, '');
  assert.match((await shake(port, shown(good))).reply, / 200 /);
});

await test('X-Forwarded-Client-Cert and the log tell of a verified certificate, and of no other', async (t) => {
  const pki = new Pki(t);
  const client = pki.issue({ names: ['URI:spiffe://mesh.test/sa/web', 'DNS:web.test', 'DNS:www.web.test'], commonName: 'a"b,c' });
  const stranger = new Pki(t, 'another authority').issue({ names: ['URI:spiffe://mesh.test/sa/web'] });
  const secrets = [secretOf('c', pki.issue({ names: ['DNS:a.test', 'URI:spiffe://mesh.test/gateway'] })), secretOf('ca', { ca: pki.ca })];
  const chains = [chainOf('https', { tls: tlsOf(['c'], { clientCertificate: 'ask', ca: 'ca', alpn: ['h2', 'http/1.1'] }) })];
  const accessLog = '{"principal":"%PRINCIPAL%"}\n';
  const { backend, port, rig } = await behindTls(t, chains, secrets, { listener: { dialect: 'gateway-api' }, accessLog });
  const forged = 'GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Client-Cert: Hash=forged\r\n\r\n';
  const headers = async (options: object): Promise<readonly string[]> => {
    const from = backend.connections.map(({ received }) => received).join('').length;
    await shake(port, { ALPNProtocols: ['http/1.1'], ...options }, forged);
    const all = backend.connections.map(({ received }) => received).join('');
    return [...all.slice(from).matchAll(/^x-forwarded-client-cert: (.*)\r$/gim)].map((found) => found[1]);
  };
  const hash = new X509Certificate(client.certificate).fingerprint256.replaceAll(':', '').toLowerCase();
  const names = 'URI=spiffe://mesh.test/sa/web;DNS=web.test;DNS=www.web.test';
  const subject = 'Subject="CN=a\\\\\\"b\\\\,c,O=Weir tests,C=DE"';
  const want = `By=spiffe://mesh.test/gateway;Hash=${hash};${subject};${names}`;
  assert.deepEqual(await headers(shown(client)), [want]);
  assert.deepEqual(await headers(shown(stranger)), []);
  assert.deepEqual(await headers({ servername: 'a.test' }), []);
  assert.deepEqual(
    (await rig.logged(3)).map(({ principal }) => principal),
    ['spiffe://mesh.test/sa/web', '-', '-'],
  );
  if (requireProgram(t, 'curl')) {
    const args = ['-sS', '--http2', '--cert', client.certificateFile, '--key', client.keyFile, '--cacert', pki.caFile];
    const { stdout } = await runProgram('curl', [
      ...args,
      '--resolve',
      `a.test:${port}:127.0.0.1`,
      '-H',
      'x-forwarded-client-cert: forged',
      `https://a.test:${port}/h2`,
    ]);
    assert.equal(stdout, 'hello');
    const sent = backend.connections.map(({ received }) => received).find((text) => text.includes('/h2 ')) ?? '';
    assert.ok(sent.includes(`x-forwarded-client-cert: ${want}\r\n`), sent);
    assert.doesNotMatch(sent, /forged/);
  }
});

await test("Istio's gateways send the certificate itself", async (t) => {
  const pki = new Pki(t);
  const client = pki.issue({ names: ['DNS:web.test'] });
  const secrets = [secretOf('c', pki.issue({ names: ['DNS:a.test'] })), secretOf('ca', { ca: pki.ca })];
  const chains = [chainOf('https', { tls: tlsOf(['c'], { clientCertificate: 'require', ca: 'ca' }) })];
  const { backend, port } = await behindTls(t, chains, secrets);
  await shake(port, shown(client));
  const sent = (await backend.connection(0)).received;
  const encoded = /;Cert="([^"]*)";/.exec(sent)?.[1] ?? '';
  assert.equal(decodeURIComponent(encoded), client.certificate);
});
