/** TLS towards upstreams: nginx, openssl and node:tls as servers. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { daemon, nginx } from '../support/daemon.ts';
import { Pki, secretOf } from '../support/pki.ts';
import { requireProgram } from '../support/programs.ts';
import { freePort } from '../support/ports.ts';
import { type clientTls, Reaching, tlsCluster } from '../support/upstream-tls.ts';

const told =
  'return 200 "sni=$ssl_server_name version=$ssl_protocol reused=$ssl_session_reused client=$ssl_client_verify connection=$connection host=$http_host";';

function field(text: string, name: string): string {
  return new RegExp(`(?:^| )${name}=(\\S*)`).exec(text)?.[1] ?? '';
}

describe('TLS towards an upstream', () => {
  for (const kind of ['ec', 'rsa'] as const) {
    it(`reaches nginx with a certificate of ${kind} and keeps the connection`, async (t) => {
      if (!requireProgram(t, 'nginx')) return;
      const pki = new Pki(t);
      const own = pki.issue({ names: ['DNS:upstream.test'], kind });
      const port = await freePort();
      await nginx(
        t,
        `server { listen 127.0.0.1:${port} ssl; ssl_certificate ${own.certificateFile}; ssl_certificate_key ${own.keyFile}; ssl_protocols TLSv1.2 TLSv1.3; location / { ${told} } }`,
      );
      const reaching = await Reaching.start(t, { cluster: tlsCluster([port]), secrets: [secretOf('ca', { ca: pki.ca })] });
      const first = await reaching.get();
      assert.equal(first.status, 200);
      assert.equal(field(first.text, 'sni'), 'upstream.test');
      assert.equal(field(first.text, 'version'), 'TLSv1.3');
      assert.equal(field(first.text, 'host'), 'client.test', 'SNI does not change the authority');
      const second = await reaching.get();
      assert.equal(field(second.text, 'connection'), field(first.text, 'connection'));
    });
  }

  it('resumes sessions, and forgets them when the authority changes', async (t) => {
    if (!requireProgram(t, 'nginx')) return;
    const pki = new Pki(t);
    const own = pki.issue({ names: ['DNS:upstream.test'] });
    for (const version of ['TLSv1.2', 'TLSv1.3']) {
      const port = await freePort();
      const lines = `ssl_certificate ${own.certificateFile}; ssl_certificate_key ${own.keyFile}; ssl_protocols ${version}; keepalive_timeout 0`;
      await nginx(t, `server { listen 127.0.0.1:${port} ssl; ${lines}; location / { ${told} } }`);
      const secrets = [secretOf('ca', { ca: pki.ca })];
      const reaching = await Reaching.start(t, { cluster: tlsCluster([port]), secrets });
      const reused: string[] = [];
      for (let i = 0; i < 4; i++) reused.push(field((await reaching.get()).text, 'reused'));
      assert.deepEqual(reused, ['.', 'r', 'r', 'r'], version);
      await reaching.change({ cluster: tlsCluster([port]), secrets: [secretOf('ca', { ca: pki.ca + new Pki(t, 'another').ca })] });
      assert.equal(field((await reaching.get()).text, 'reused'), '.', `${version}: a session of other secrets is not shown`);
    }
  });

  it('asks for the name the request is for where the configuration names none', async (t) => {
    if (!requireProgram(t, 'nginx')) return;
    const pki = new Pki(t);
    const own = pki.issue({ names: ['DNS:a.test', 'DNS:*.w.test', 'IP:127.0.0.1'] });
    const port = await freePort();
    await nginx(
      t,
      `server { listen 127.0.0.1:${port} ssl; ssl_certificate ${own.certificateFile}; ssl_certificate_key ${own.keyFile}; ssl_protocols TLSv1.2 TLSv1.3; location / { ${told} } }`,
    );
    const reaching = await Reaching.start(t, { cluster: tlsCluster([port], { sni: null }), secrets: [secretOf('ca', { ca: pki.ca })] });
    const names: string[] = [];
    const connections: string[] = [];
    for (const host of ['a.test:8443', 'x.w.test', 'A.test', '127.0.0.1:443', 'y.w.test']) {
      const { status, text } = await reaching.get('/', host);
      assert.equal(status, 200, host);
      names.push(field(text, 'sni'));
      connections.push(field(text, 'connection'));
    }
    assert.deepEqual(names, ['a.test', 'x.w.test', 'a.test', '', 'y.w.test']);
    assert.equal(connections[0], connections[2], 'the same name shares a connection');
    assert.equal(new Set(connections).size, 4, 'another name has another connection');
    const strange = await reaching.get('/', 'b.test');
    assert.equal(strange.status, 503);
    assert.match(String((await reaching.lastLog(6))['reason']), /CERTIFICATE_VERIFY_FAILED:no_expected_name/);
  });

  const refusals: readonly {
    readonly what: string;
    readonly names?: readonly string[];
    readonly days?: number;
    readonly tls?: Parameters<typeof clientTls>[0];
    readonly otherCa?: boolean;
    readonly revoked?: boolean;
    readonly reason: RegExp | null;
  }[] = [
    { what: 'an authority nobody trusts', otherCa: true, reason: /CERTIFICATE_VERIFY_FAILED:UNABLE_TO_VERIFY_LEAF_SIGNATURE/ },
    { what: 'an authority nobody trusts, of the system', tls: { ca: null }, reason: /CERTIFICATE_VERIFY_FAILED:UNABLE_TO_VERIFY_LEAF/ },
    { what: 'another name', names: ['DNS:other.test'], reason: /CERTIFICATE_VERIFY_FAILED:no_expected_name/ },
    { what: 'no name but the common name', names: [], reason: /CERTIFICATE_VERIFY_FAILED:no_expected_name/ },
    { what: 'a name that only begins so', names: ['DNS:upstream.test.evil.test'], reason: /no_expected_name/ },
    { what: 'an expired certificate', days: -1, reason: /CERTIFICATE_VERIFY_FAILED:CERT_HAS_EXPIRED/ },
    { what: 'a revoked certificate', revoked: true, reason: /CERTIFICATE_VERIFY_FAILED:CERT_REVOKED/ },
    { what: 'none of the listed names', tls: { subjectAltNames: ['spiffe://td/ns/a/sa/b'] }, reason: /no_expected_name/ },
    {
      what: 'a SPIFFE id that differs at its end',
      names: ['URI:spiffe://td/ns/a/sa/bc'],
      tls: { subjectAltNames: ['spiffe://td/ns/a/sa/b'] },
      reason: /no_expected_name/,
    },
    {
      what: 'a listed SPIFFE id',
      names: ['URI:spiffe://td/ns/a/sa/b'],
      tls: { subjectAltNames: ['x.test', 'spiffe://td/ns/a/sa/b'] },
      reason: null,
    },
    { what: 'a listed name instead of the SNI', names: ['DNS:real.test'], tls: { subjectAltNames: ['real.test'] }, reason: null },
    { what: 'a wildcard', names: ['DNS:*.w.test'], tls: { sni: 'a.w.test' }, reason: null },
    { what: 'a wildcard for two labels', names: ['DNS:*.w.test'], tls: { sni: 'a.b.w.test' }, reason: /no_expected_name/ },
    { what: 'anything without verification', names: ['DNS:other.test'], days: -1, otherCa: true, tls: { verify: false }, reason: null },
    { what: 'a version too old', tls: { minVersion: 'TLSv1.3' }, reason: /PROTOCOL_VERSION/ },
    {
      what: 'suites that have nothing in common',
      tls: { maxVersion: 'TLSv1.2', cipherSuites: ['ECDHE-RSA-AES256-GCM-SHA384'] },
      reason: /HANDSHAKE_FAILURE/,
    },
  ];

  for (const { what, names = ['DNS:upstream.test'], days = 20, tls = {}, otherCa = false, revoked = false, reason } of refusals) {
    it(`${reason === null ? 'accepts' : 'refuses'} ${what}`, async (t) => {
      if (!requireProgram(t, 'nginx')) return;
      const pki = new Pki(t);
      const own = pki.issue({ names, days, commonName: 'upstream.test' });
      const port = await freePort();
      const lines = `ssl_certificate ${own.certificateFile}; ssl_certificate_key ${own.keyFile}; ssl_protocols TLSv1.2${tls.minVersion === undefined ? ' TLSv1.3' : ''}`;
      await nginx(t, `server { listen 127.0.0.1:${port} ssl; ${lines}; location / { ${told} } }`);
      const ca = otherCa ? new Pki(t, 'other').ca : pki.ca;
      const reaching = await Reaching.start(t, {
        cluster: tlsCluster([port], tls),
        secrets: [secretOf('ca', { ca, crl: revoked ? pki.revoke([own]) : null })],
      });
      const { status } = await reaching.get();
      const line = await reaching.lastLog(1);
      if (reason === null) {
        assert.equal(status, 200, String(line['reason']));
        return;
      }
      assert.equal(status, 503);
      assert.equal(line['flags'], 'UF');
      assert.match(String(line['reason']), reason);
      assert.match(String(line['reason']), /^TLS_error:[A-Za-z0-9_:./-]+$/);
      assert.equal(line['details'], `upstream_reset_before_response_started{remote_connection_failure|${String(line['reason'])}}`);
    });
  }

  it('shows a client certificate, and says so when it is missing', async (t) => {
    if (!requireProgram(t, 'openssl')) return;
    const pki = new Pki(t);
    const server = pki.issue({ names: ['DNS:upstream.test'] });
    const own = pki.issue({ names: ['URI:spiffe://td/ns/gateway'], commonName: 'gateway' });
    for (const version of ['-tls1_2', '-tls1_3']) {
      const port = await freePort();
      const files = ['-cert', server.certificateFile, '-key', server.keyFile, '-CAfile', pki.caFile];
      await daemon(
        t,
        'openssl',
        () => ['s_server', '-accept', `127.0.0.1:${port}`, '-Verify', '2', '-verify_return_error', version, ...files, '-www'],
        /ACCEPT/,
      );
      const secrets = [secretOf('ca', { ca: pki.ca }), secretOf('own', own)];
      const reaching = await Reaching.start(t, { cluster: tlsCluster([port]), secrets });
      const without = await reaching.get();
      const line = await reaching.lastLog(1);
      assert.equal(without.status, 503);
      // TLS 1.3 lets the client finish before it is told.
      assert.equal(line['flags'], version === '-tls1_2' ? 'UF' : 'UC');
      assert.match(
        String(line['reason']),
        version === '-tls1_2' ? /TLS_error:.*ALERT_HANDSHAKE_FAILURE/ : /TLS_error:.*CERTIFICATE_REQUIRED/,
      );
      await reaching.change({ cluster: tlsCluster([port], { certificate: 'own' }), secrets });
      const shown = await reaching.get();
      assert.equal(shown.status, 200);
      assert.match(shown.text, /Subject: C ?= ?DE, O ?= ?Weir tests, CN ?= ?gateway/);
    }
  });

  it('says in log and metrics what was agreed and what failed', async (t) => {
    if (!requireProgram(t, 'nginx')) return;
    const pki = new Pki(t);
    const own = pki.issue({ names: ['DNS:upstream.test', 'URI:spiffe://td/sa/b', 'IP:127.0.0.1'] });
    const port = await freePort();
    const lines = `ssl_certificate ${own.certificateFile}; ssl_certificate_key ${own.keyFile}; ssl_protocols TLSv1.2; keepalive_timeout 0`;
    await nginx(t, `server { listen 127.0.0.1:${port} ssl; ${lines}; location / { ${told} } }`);
    const names = [
      'TLS_VERSION',
      'TLS_CIPHER',
      'TLS_SESSION_ID',
      'PEER_SUBJECT',
      'PEER_ISSUER',
      'PEER_CERT',
      'PEER_URI_SAN',
      'PEER_DNS_SAN',
      'PEER_IP_SAN',
      'LOCAL_ADDRESS',
    ];
    const dates = ['PEER_CERT_V_START', 'PEER_CERT_V_END(%Y)'];
    const accessLog = `{${[...names, ...dates].map((name) => `"${name.replace('%', '')}":"%UPSTREAM_${name}%"`).join(',')}}`;
    const secrets = [secretOf('ca', { ca: pki.ca }), secretOf('other', { ca: new Pki(t, 'other').ca })];
    const reaching = await Reaching.start(t, { cluster: tlsCluster([port]), secrets }, { accessLog });
    assert.equal((await reaching.get()).status, 200);
    const line = await reaching.lastLog(1);
    const certificate = new X509Certificate(own.certificate);
    assert.deepEqual(
      { ...line, TLS_SESSION_ID: '', LOCAL_ADDRESS: '' },
      {
        TLS_VERSION: 'TLSv1.2',
        TLS_CIPHER: 'ECDHE-ECDSA-AES128-GCM-SHA256',
        TLS_SESSION_ID: '',
        PEER_SUBJECT: 'CN=upstream,O=Weir tests,C=DE',
        PEER_ISSUER: 'CN=test authority,O=Weir tests',
        PEER_CERT: encodeURIComponent(own.certificate),
        PEER_URI_SAN: 'spiffe://td/sa/b',
        PEER_DNS_SAN: 'upstream.test',
        PEER_IP_SAN: '127.0.0.1',
        LOCAL_ADDRESS: '',
        PEER_CERT_V_START: certificate.validFromDate.toISOString(),
        'PEER_CERT_V_END(Y)': String(certificate.validToDate.getUTCFullYear()),
      },
    );
    assert.match(String(line['TLS_SESSION_ID']), /^[0-9a-f]{16,64}$/);
    assert.match(String(line['LOCAL_ADDRESS']), /^127\.0\.0\.1:\d+$/);
    assert.equal((await reaching.get()).status, 200);
    for (const tls of [{ ca: 'other' }, { sni: 'wrong.test' }, { ca: 'missing' }]) {
      await reaching.change({ cluster: tlsCluster([port], tls), secrets });
      assert.equal((await reaching.get()).status, 503);
    }
    const failed = await reaching.lastLog(5);
    assert.equal(failed['TLS_VERSION'], '-', 'nothing of the exchange before');
    const { rig } = reaching;
    const counts = ['handshake', 'session_reused', 'connection_error', 'fail_verify_error', 'fail_verify_san'].map((name) =>
      rig.metric(`envoy_cluster_ssl_${name}`, { envoy_cluster_name: 'b' }),
    );
    assert.deepEqual(counts, [2, 1, 1, 1, 1]);
    assert.equal(rig.metric('envoy_cluster_upstream_cx_connect_fail'), 3);
    assert.equal(rig.metric('envoy_cluster_upstream_cx_total'), 2);
    assert.equal(rig.metric('envoy_cluster_upstream_cx_active'), 0);
  });

  it('agrees on a protocol with nginx, and the log knows HTTP/2 connections too', async (t) => {
    if (!requireProgram(t, 'nginx')) return;
    const pki = new Pki(t);
    const own = pki.issue({ names: ['DNS:upstream.test'] });
    const port = await freePort();
    const lines = `ssl_certificate ${own.certificateFile}; ssl_certificate_key ${own.keyFile}; ssl_protocols TLSv1.3`;
    await nginx(
      t,
      `server { listen 127.0.0.1:${port} ssl http2; ${lines}; location / { return 200 "$ssl_alpn_protocol $server_protocol"; } }`,
    );
    const accessLog = '{"version":"%UPSTREAM_TLS_VERSION%","local":"%UPSTREAM_LOCAL_ADDRESS%","san":"%UPSTREAM_PEER_DNS_SAN%"}';
    const secrets = [secretOf('ca', { ca: pki.ca })];
    const reaching = await Reaching.start(t, { cluster: tlsCluster([port]), secrets }, { accessLog });
    assert.equal((await reaching.get()).text, 'http/1.1 HTTP/1.1');
    let count = 1;
    for (const protocol of ['http2', 'alpn'] as const) {
      await reaching.change({ cluster: tlsCluster([port], {}, { protocol }), secrets });
      assert.equal((await reaching.get()).text, 'h2 HTTP/2.0', protocol);
      const line = await reaching.lastLog(++count);
      assert.deepEqual([line['version'], line['san']], ['TLSv1.3', 'upstream.test']);
      assert.match(String(line['local']), /^127\.0\.0\.1:\d+$/);
    }
  });

  it("believes the system's authorities, and only the file that SSL_CERT_FILE names", async (t) => {
    if (!requireProgram(t, 'nginx')) return;
    const pki = new Pki(t);
    const own = pki.issue({ names: ['DNS:upstream.test'] });
    const port = await freePort();
    await nginx(
      t,
      `server { listen 127.0.0.1:${port} ssl; ssl_certificate ${own.certificateFile}; ssl_certificate_key ${own.keyFile}; location / { ${told} } }`,
    );
    const before = process.env['SSL_CERT_FILE'];
    t.after(() => {
      if (before === undefined) delete process.env['SSL_CERT_FILE'];
      else process.env['SSL_CERT_FILE'] = before;
    });
    for (const [file, status] of [
      [pki.caFile, 200],
      [`${pki.dir}/none.pem`, 503],
      [own.keyFile, 503],
    ] as const) {
      process.env['SSL_CERT_FILE'] = file;
      const reaching = await Reaching.start(t, { cluster: tlsCluster([port], { ca: null }) });
      assert.equal((await reaching.get()).status, status, file);
    }
  });
});
