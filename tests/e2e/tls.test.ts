import assert from 'node:assert/strict';
import { constants } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { connect, type SecureVersion } from 'node:tls';
import { test } from 'node:test';
import { requireProgram } from '../support/programs.ts';
import { Pki, secretOf } from '../support/pki.ts';
import { RawClient } from '../support/raw.ts';
import { behindTls, chainOf, runProgram, sessionOf, shake, tlsOf } from '../support/tls.ts';

await test('SNI: the exact certificate, else the one with a wildcard, else the first; RSA and ECDSA on one name', async (t) => {
  const pki = new Pki(t);
  const secrets = [
    secretOf('first', pki.issue({ names: ['DNS:first.test'], commonName: 'first' })),
    secretOf('wild', pki.issue({ names: ['DNS:*.example.test'], commonName: 'wild' })),
    secretOf('exact', pki.issue({ names: ['DNS:a.example.test'], commonName: 'exact' })),
    secretOf('ec', pki.issue({ names: ['DNS:both.test'], commonName: 'ec' })),
    secretOf('rsa', pki.issue({ names: ['DNS:both.test'], commonName: 'rsa', kind: 'rsa' })),
  ];
  const { port } = await behindTls(t, [chainOf('https', { tls: tlsOf(['first', 'wild', 'exact', 'ec', 'rsa']) })], secrets);
  const rows = [
    { servername: 'a.example.test', want: 'exact' },
    { servername: 'A.Example.Test', want: 'exact' },
    { servername: 'b.example.test', want: 'wild' },
    { servername: 'c.b.example.test', want: 'first' },
    { servername: 'other.test', want: 'first' },
    { servername: undefined, want: 'first' },
    { servername: 'both.test', sigalgs: 'ecdsa_secp256r1_sha256', want: 'ec' },
    { servername: 'both.test', sigalgs: 'rsa_pss_rsae_sha256', want: 'rsa' },
    { servername: 'both.test', sigalgs: 'RSA+SHA256', maxVersion: 'TLSv1.2' as const, want: 'rsa' },
  ];
  for (const { want, ...options } of rows) {
    const { name } = await shake(port, options, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    assert.equal(name, want, JSON.stringify(options));
  }
});

await test('versions and ciphers: TLS 1.2 with forward secrecy and AEAD and 1.3 by default, others when asked for', async (t) => {
  if (!requireProgram(t, 'openssl')) return;
  const pki = new Pki(t);
  const secrets = [secretOf('c', pki.issue({ names: ['DNS:a.test'], kind: 'rsa' }))];
  const fixture = await behindTls(t, [chainOf('https', { tls: tlsOf(['c']) })], secrets);
  const at = ['s_client', '-connect', `127.0.0.1:${fixture.port}`, '-servername', 'a.test'];
  const cipher = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await runProgram('openssl', [...at, ...args]);
    return /Cipher is (\S+)/.exec(stdout)?.[1] ?? '';
  };
  const rows: readonly (readonly [readonly string[], string])[] = [
    [['-tls1_3'], 'TLS_AES_256_GCM_SHA384'],
    [['-tls1_2'], 'ECDHE-RSA-AES128-GCM-SHA256'],
    [['-tls1_2', '-cipher', 'ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384'], 'ECDHE-RSA-AES256-GCM-SHA384'],
    [['-tls1_2', '-cipher', 'AES128-GCM-SHA256'], '(NONE)'],
    [['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-SHA256'], '(NONE)'],
    [['-tls1_1', '-cipher', 'DEFAULT:@SECLEVEL=0'], '(NONE)'],
  ];
  for (const [args, want] of rows) assert.equal(await cipher(...args), want, args.join(' '));
  const renegotiated = await runProgram('openssl', [...at, '-tls1_2'], 'R\n');
  assert.match(renegotiated.stderr + renegotiated.stdout, /no renegotiation|Secure Renegotiation IS supported/i);
  assert.match(renegotiated.stdout, /Compression: NONE/);
  await fixture.apply([chainOf('https', { tls: tlsOf(['c'], { maxVersion: 'TLSv1.2', cipherSuites: ['AES128-GCM-SHA256'] }) })], secrets);
  assert.equal(await cipher('-tls1_2'), 'AES128-GCM-SHA256');
  assert.equal(await cipher('-tls1_3'), '(NONE)');
  await fixture.apply([chainOf('https', { tls: tlsOf(['c'], { minVersion: 'TLSv1' }) })], secrets);
  assert.equal(await cipher('-tls1_1', '-cipher', 'DEFAULT:@SECLEVEL=0'), 'ECDHE-RSA-AES128-SHA');
});

await test('ALPN leads to HTTP/2 or HTTP/1.1; without it both are recognised', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const pki = new Pki(t);
  const secrets = [secretOf('c', pki.issue({ names: ['DNS:a.test'] }))];
  const { port, rig } = await behindTls(t, [chainOf('https', { tls: tlsOf(['c'], { alpn: ['h2', 'http/1.1'] }) })], secrets);
  const curl = async (...args: readonly string[]): Promise<string> => {
    const write = ['-w', ' %{http_version}', '--resolve', `a.test:${port}:127.0.0.1`, '--cacert', pki.caFile];
    return (await runProgram('curl', ['-sS', ...args, ...write, `https://a.test:${port}/`])).stdout;
  };
  assert.equal(await curl(), 'hello 2');
  assert.equal(await curl('--http1.1'), 'hello 1.1');
  assert.equal(await curl('--no-alpn', '--http1.1'), 'hello 1.1');
  assert.equal(await curl('--no-alpn', '--http2-prior-knowledge'), 'hello 2');
  const lines = await rig.logged(4);
  assert.deepEqual(
    lines.map(({ protocol }) => protocol),
    ['HTTP/2', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/2'],
  );
});

await test('what upstream and log are told of TLS; a forged client certificate header goes nowhere', async (t) => {
  const pki = new Pki(t);
  const secrets = [secretOf('c', pki.issue({ names: ['DNS:a.test'] }))];
  const format =
    '{"v":"%DOWNSTREAM_TLS_VERSION%","c":"%DOWNSTREAM_TLS_CIPHER%","sni":"%REQUESTED_SERVER_NAME%","id":"%DOWNSTREAM_TLS_SESSION_ID%","s":"%REQ(:SCHEME)%","peer":"%DOWNSTREAM_PEER_SUBJECT%"}\n';
  const chains = [chainOf('https', { tls: tlsOf(['c']) }), chainOf('http')];
  const { port, backend, rig } = await behindTls(t, chains, secrets, { accessLog: format });
  const request =
    'GET /x HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Client-Cert: Hash=forged\r\nx-forwarded-client-CERT: By=me\r\nX-Forwarded-Proto: ftp\r\n\r\n';
  // Sessions that are in tickets have no id of their own.
  const secureOptions = constants.SSL_OP_NO_TICKET;
  const { error } = await shake(port, { servername: 'a.test', maxVersion: 'TLSv1.2', secureOptions }, request);
  assert.equal(error, null);
  const sent = (await backend.connection(0)).received;
  assert.match(sent, /\r\nx-forwarded-proto: https\r\n/);
  assert.doesNotMatch(sent, /client-cert|forged/i);
  const plain = await RawClient.connect(port);
  plain.send(request);
  await plain.until((text) => text.endsWith('hello'));
  plain.close();
  const both = backend.connections.map(({ received }) => received).join('');
  assert.match(both, /\r\nx-forwarded-proto: http\r\n/);
  assert.doesNotMatch(both, /client-cert|forged/i);
  const [tls, http] = await rig.logged(2);
  assert.match(String(tls.id), /^[0-9a-f]{64}$/);
  assert.deepEqual({ ...tls, id: '' }, { v: 'TLSv1.2', c: 'ECDHE-ECDSA-AES128-GCM-SHA256', sni: 'a.test', id: '', s: 'https', peer: '-' });
  assert.deepEqual(http, { v: '-', c: '-', sni: '-', id: '-', s: 'http', peer: '-' });
});

await test('sessions are resumed at any worker, until the keys are replaced, and never at a chain with other demands', async (t) => {
  const pki = new Pki(t);
  const client = pki.issue({ names: ['DNS:client.test'] });
  const secrets = [secretOf('c', pki.issue({ names: ['DNS:*.test'] })), secretOf('ca', { ca: pki.ca })];
  const chains = [
    chainOf('open', { serverNames: ['open.test'], tls: tlsOf(['c']) }),
    chainOf('mutual', { serverNames: ['mutual.test'], tls: tlsOf(['c'], { clientCertificate: 'require', ca: 'ca' }) }),
  ];
  const { port, rig } = await behindTls(t, chains, secrets, { workers: 2 });
  const resumed = async (session: Buffer, servername: string, maxVersion: SecureVersion = 'TLSv1.3') => {
    const { reused, error } = await shake(port, { servername, session, maxVersion }, `GET / HTTP/1.1\r\nHost: ${servername}\r\n\r\n`);
    return { reused, error };
  };
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const session = await sessionOf(port, { servername: 'open.test', maxVersion });
    // The kernel deals connections to the workers: among so many both are sure to have had some.
    for (let i = 0; i < 24; i++)
      assert.deepEqual(await resumed(session, 'open.test', maxVersion), { reused: true, error: null }, maxVersion);
    const elsewhere = await resumed(session, 'mutual.test', maxVersion);
    assert.equal(elsewhere.reused, false, maxVersion);
    assert.notEqual(elsewhere.error, null, 'no certificate, no service');
  }
  const mutual = { servername: 'mutual.test', cert: client.certificate, key: client.privateKey };
  const session = await sessionOf(port, mutual);
  for (let i = 0; i < 8; i++) assert.deepEqual(await resumed(session, 'mutual.test'), { reused: true, error: null });
  assert.equal(rig.metric('envoy_listener_ssl_session_reused'), 56);
  const handshakes = rig.metric('envoy_listener_ssl_handshake');
  assert.ok(handshakes >= 59, `${handshakes} handshakes`);
  assert.equal(rig.metric('envoy_listener_ssl_versions', { envoy_ssl_version: 'TLSv1.2' }), 25);
  assert.equal(rig.metric('envoy_listener_ssl_ciphers'), handshakes);
  assert.equal(rig.metric('envoy_listener_ssl_fail_verify_no_cert'), 2);
  rig.tickets.rotate();
  // Workers look at the seed at their tick: from some handshake on none is resumed any more.
  const old = await sessionOf(port, { servername: 'open.test' });
  rig.tickets.rotate();
  while ((await resumed(old, 'open.test')).reused);
  while ((await resumed(session, 'mutual.test')).error === null);
});

await test('a certificate is replaced 100 times under load without a failed handshake', async (t) => {
  const pki = new Pki(t);
  const issued = Array.from({ length: 4 }, (_, i) =>
    pki.issue({ names: ['DNS:a.test'], commonName: `c${i}`, kind: i % 2 === 0 ? 'ec' : 'rsa' }),
  );
  const chains = [chainOf('https', { tls: tlsOf(['c']) })];
  const secrets = (i: number) => [secretOf('c', issued[i % issued.length])];
  const { port, apply, rig } = await behindTls(t, chains, secrets(0), { workers: 2 });
  const kept = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, servername: 'a.test' });
  await once(kept, 'secureConnect');
  const over = new AbortController();
  const seen = new Set<string>();
  const failed: string[] = [];
  let handshakes = 0;
  const load = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const { error, name, reply } = await shake(port, { servername: 'a.test' });
      handshakes++;
      if (error !== null || !reply.includes(' 200 ')) failed.push(error ?? reply);
      seen.add(name);
    }
  };
  const clients = [load(), load(), load(), load()];
  for (let i = 1; i <= 100; i++) {
    await apply(chains, secrets(i));
    await shake(port, { servername: 'a.test' });
  }
  over.abort();
  await Promise.all(clients);
  assert.deepEqual(failed, []);
  assert.ok(handshakes > 100, `${handshakes} handshakes`);
  assert.deepEqual([...seen].sort(), ['c0', 'c1', 'c2', 'c3']);
  const last = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, servername: 'a.test' });
  await once(last, 'secureConnect');
  assert.match(last.getPeerX509Certificate()?.subject ?? '', /CN=c0$/);
  last.destroy();
  kept.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  const [answer]: unknown[] = await once(kept, 'data');
  assert.match(String(answer), / 200 /, 'a connection from before all of that goes on');
  kept.destroy();
  assert.deepEqual(rig.faults, []);
});

await test('421 for a host of another chain, or one that the certificate does not hold for', async (t) => {
  const pki = new Pki(t);
  const secrets = [secretOf('c', pki.issue({ names: ['DNS:a.test', 'DNS:*.a.test', 'IP:127.0.0.1'] }))];
  const chains = [chainOf('https', { tls: tlsOf(['c']) })];
  const { port, apply, rig } = await behindTls(t, chains, secrets);
  const status = async (servername: string | undefined, host: string): Promise<number> => {
    const { reply } = await shake(
      port,
      servername === undefined ? {} : { servername },
      `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    );
    return Number(reply.slice(9, 12));
  };
  assert.equal(await status('a.test', 'a.test'), 200);
  assert.equal(await status('a.test', `A.TEST:${port}`), 200);
  assert.equal(await status('a.test', 'b.a.test'), 200, 'the certificate holds for it too: connections are coalesced');
  assert.equal(await status('a.test', 'c.b.a.test'), 421);
  assert.equal(await status('a.test', 'b.test'), 421);
  assert.equal(await status('b.test', 'b.test'), 200, 'the client takes the certificate that it was shown');
  assert.equal(await status(undefined, 'b.test'), 200);
  await apply([chainOf('https', { tls: tlsOf(['c']), virtualHosts: ['none'] })], secrets);
  assert.equal(await status('a.test', 'a.test'), 421, 'no virtual host of the chain');
  const lines = await rig.logged(8);
  assert.equal(lines.at(-1)?.response_code_details, 'misdirected_request');
});

await test('421 on weir listeners whenever the certificate does not hold for the host', async (t) => {
  const pki = new Pki(t);
  const secrets = [secretOf('c', pki.issue({ names: ['DNS:a.test', 'IP:127.0.0.1', 'IP:::1'] }))];
  const chains = [chainOf('https', { tls: tlsOf(['c']) })];
  const { port } = await behindTls(t, chains, secrets, { listener: { dialect: 'weir' } });
  const rows: readonly (readonly [string | undefined, string, number])[] = [
    ['a.test', 'a.test', 200],
    ['b.test', 'b.test', 421],
    [undefined, 'b.test', 421],
    [undefined, '127.0.0.1', 200],
    [undefined, '[::1]', 200],
    [undefined, '127.0.0.2', 421],
  ];
  for (const [servername, host, want] of rows) {
    const { reply } = await shake(
      port,
      servername === undefined ? {} : { servername },
      `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    );
    assert.equal(Number(reply.slice(9, 12)), want, `${servername ?? 'no SNI'}, ${host}`);
  }
});

await test('chains: by name, TLS or not, and nothing for the rest; a line in the log says why', async (t) => {
  const pki = new Pki(t);
  const secrets = [
    secretOf('c', pki.issue({ names: ['DNS:a.test'], commonName: 'a' })),
    secretOf('d', pki.issue({ names: ['DNS:*.b.test'], commonName: 'b' })),
  ];
  const chains = [
    chainOf('a', { serverNames: ['a.test'], tls: tlsOf(['c']) }),
    chainOf('b', { serverNames: ['*.b.test'], tls: tlsOf(['d']) }),
    chainOf('http', { isTls: false }),
  ];
  const format = '{"why":"%DOWNSTREAM_TRANSPORT_FAILURE_REASON%","flags":"%RESPONSE_FLAGS%","sni":"%REQUESTED_SERVER_NAME%"}\n';
  const { port, rig } = await behindTls(t, chains, secrets, { accessLog: format });
  const name = async (servername: string | undefined): Promise<string> => {
    const found = await shake(port, servername === undefined ? {} : { servername }, `GET / HTTP/1.1\r\nHost: ${servername}\r\n\r\n`);
    return found.error === null ? found.name : 'refused';
  };
  assert.equal(await name('a.test'), 'a');
  assert.equal(await name('x.b.test'), 'b');
  assert.equal(await name('c.test'), 'refused');
  assert.equal(await name(undefined), 'refused');
  const plain = await RawClient.connect(port);
  plain.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match(await plain.until((text) => text.endsWith('hello')), /^HTTP\/1\.1 200 /);
  plain.close();
  const [, , first, second] = await rig.logged(5);
  assert.deepEqual(first, { why: "no chain is for the server name 'c.test'", flags: 'NR', sni: 'c.test' });
  assert.deepEqual(second, { why: "no chain is for the server name ''", flags: 'NR', sni: '-' });
});

await test('a chain that cannot serve closes its connections and says why; the others of its port go on', async (t) => {
  const pki = new Pki(t);
  const [good, other] = [pki.issue({ names: ['DNS:good.test'] }), pki.issue({ names: ['DNS:other.test'] })];
  const secrets = [secretOf('good', good), secretOf('mixed', { certificate: good.certificate, privateKey: other.privateKey })];
  const chains = [
    chainOf('good', { serverNames: ['good.test'], tls: tlsOf(['good']) }),
    chainOf('cipher', { serverNames: ['cipher.test'], tls: tlsOf(['good'], { maxVersion: 'TLSv1.2', cipherSuites: ['NO-SUCH-CIPHER'] }) }),
    chainOf('mixed', { serverNames: ['mixed.test'], tls: tlsOf(['mixed']) }),
    chainOf('missing', { serverNames: ['missing.test'], tls: tlsOf(['nobody']) }),
    chainOf('ca', { serverNames: ['ca.test'], tls: tlsOf(['good'], { clientCertificate: 'optional', ca: 'nobody' }) }),
  ];
  const format = '{"sni":"%REQUESTED_SERVER_NAME%","why":"%DOWNSTREAM_TRANSPORT_FAILURE_REASON%"}\n';
  const { port, rig } = await behindTls(t, chains, secrets, { accessLog: format });
  const rows: readonly (readonly [servername: string, why: RegExp])[] = [
    ['cipher.test', /cannot be set up: .*cipher/i],
    ['mixed.test', /cannot be set up: .*key values mismatch/i],
    ['missing.test', /no usable certificate/],
    ['ca.test', /authorities for client certificates are missing/],
  ];
  for (const [servername] of rows) assert.notEqual((await shake(port, { servername })).error, null, servername);
  assert.match((await shake(port, { servername: 'good.test' }, 'GET / HTTP/1.1\r\nHost: good.test\r\n\r\n')).reply, / 200 /);
  const lines = await rig.logged(rows.length + 1);
  for (const [at, [servername, why]] of rows.entries()) {
    assert.equal(lines[at].sni, servername);
    assert.match(String(lines[at].why), why);
  }
});

await test('a handshake that does not come to its end is cut, whatever part of it came; so is rubbish', async (t) => {
  const pki = new Pki(t);
  const secrets = [secretOf('c', pki.issue({ names: ['DNS:a.test'] }))];
  const whole = await clientHello();
  const format = '{"why":"%DOWNSTREAM_TRANSPORT_FAILURE_REASON%"}\n';
  for (const chains of [[chainOf('https', { tls: tlsOf(['c']) })], [chainOf('https', { tls: tlsOf(['c']) }), chainOf('http')]]) {
    const { port, rig } = await behindTls(t, chains, secrets, { limits: { headTimeoutMs: 200 }, accessLog: format });
    for (const bytes of ['', whole.subarray(0, 1), whole.subarray(0, 20), whole]) {
      const client = await RawClient.connect(port);
      client.send(bytes);
      await client.toEnd();
      client.close();
    }
    const lines = await rig.logged(4);
    for (const { why } of lines) assert.match(String(why), /took too long/);
    const bad = await RawClient.connect(port);
    bad.send(Buffer.concat([whole.subarray(0, 60), Buffer.alloc(whole.length - 60, 0xff)]));
    await bad.toEnd();
    bad.close();
    assert.equal((await rig.logged(5)).length, 5);
  }
});

/** The first bytes of a TLS client. */
async function clientHello(): Promise<Buffer> {
  const server = (await import('node:net')).createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const arrival = once(server, 'connection');
  const raw = connectPlain(port, '127.0.0.1');
  const client = connect({ socket: raw, servername: 'a.test', rejectUnauthorized: false });
  client.on('error', () => undefined);
  const [socket]: unknown[] = await arrival;
  if (!(socket instanceof (await import('node:net')).Socket)) throw new Error('no socket');
  const [chunk]: unknown[] = await once(socket, 'data');
  client.destroy();
  socket.destroy();
  server.close();
  if (!Buffer.isBuffer(chunk)) throw new Error('no bytes');
  return chunk;
}
