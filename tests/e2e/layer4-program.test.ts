/** The real program on Gateway API streams: TCP, UDP and TLS passthrough, from YAML to log, metrics, admin and drain. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Program } from '../support/program.ts';
import { freePort } from '../support/ports.ts';
import { RawBackend, RawClient } from '../support/raw.ts';
import { Pki } from '../support/pki.ts';
import { requireProgram } from '../support/programs.ts';
import { runProgram } from '../support/tls.ts';
import { UdpPeer } from '../support/udp.ts';

function service(name: string, port: number, target: number, protocol: string): string {
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: default}
spec: {ports: [{port: ${port}, protocol: ${protocol}}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-1, namespace: default, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{port: ${target}, protocol: ${protocol}}]
endpoints: [{addresses: [127.0.0.1]}]
`;
}

function config(ports: {
  readonly listen: number;
  readonly tls: number;
  readonly db: number;
  readonly dns: number;
  readonly web: number;
}): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  gatewayClassName: weir
  listeners:
  - {name: db, port: ${ports.listen}, protocol: TCP}
  - {name: dns, port: ${ports.listen}, protocol: UDP}
  - {name: web, port: ${ports.tls}, protocol: TLS, hostname: a.test, tls: {mode: Passthrough}}
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata: {name: db, namespace: default}
spec: {parentRefs: [{name: edge, sectionName: db}], rules: [{backendRefs: [{name: db, port: 5432}]}]}
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: UDPRoute
metadata: {name: dns, namespace: default}
spec: {parentRefs: [{name: edge, sectionName: dns}], rules: [{backendRefs: [{name: dns, port: 53}]}]}
---
apiVersion: gateway.networking.k8s.io/v1alpha3
kind: TLSRoute
metadata: {name: web, namespace: default}
spec: {parentRefs: [{name: edge, sectionName: web}], hostnames: [a.test], rules: [{backendRefs: [{name: web, port: 443}]}]}
${service('db', 5432, ports.db, 'TCP')}${service('dns', 53, ports.dns, 'UDP')}${service('web', 443, ports.web, 'TCP')}`;
}

await test('streams of Gateway API in the real program', { timeout: 60_000 }, async (t) => {
  if (!requireProgram(t, 'openssl')) return;
  const directory = mkdtempSync(join(tmpdir(), 'weir-l4-'));
  const pki = new Pki(t);
  const { certificateFile, keyFile } = pki.issue({ names: ['DNS:a.test'] });
  const [listen, tlsPort, web] = [await freePort(), await freePort(), await freePort()];
  const server = runProgram('openssl', [
    's_server',
    '-accept',
    String(web),
    '-cert',
    certificateFile,
    '-key',
    keyFile,
    '-www',
    '-naccept',
    '1',
  ]);
  const backend = await RawBackend.start(({ socket }) => {
    socket.on('data', (text) => socket.write(text, 'latin1'));
    socket.on('end', () => socket.end());
  });
  const dns = await UdpPeer.echo('dns:');
  const client = await UdpPeer.bind();
  const file = join(directory, 'config.yaml');
  const ports = { listen, tls: tlsPort, db: backend.port, dns: dns.port, web };
  writeFileSync(file, config(ports));
  const log = join(directory, 'access.log');
  const program = await Program.start(file, { drainTimeout: '20s', args: ['--access-log', log, '--log-format', 'json'] });
  t.after(async () => {
    await program.kill();
    backend.close();
    dns.close();
    client.close();
    rmSync(directory, { recursive: true, force: true });
  });
  assert.match(program.stderr, new RegExp(`listening on 127\\.0\\.0\\.1:${listen}"`));
  assert.match(program.stderr, new RegExp(`listening on 127\\.0\\.0\\.1:${listen} \\(UDP\\)`));

  const db = await RawClient.connect(listen);
  db.send('select 1');
  assert.equal(await db.until((text) => text === 'select 1'), 'select 1');
  assert.equal(await client.ask('q', listen), 'dns:q');
  const shake = await runProgram(
    'openssl',
    ['s_client', '-connect', `127.0.0.1:${tlsPort}`, '-servername', 'a.test', '-CAfile', pki.caFile],
    'GET / HTTP/1.0\r\n\r\n',
  );
  assert.match(shake.stdout, /Verify return code: 0 \(ok\)/);
  assert.equal((await server).code, 0);

  const admin = async (path: string): Promise<string> => (await fetch(new URL(path, program.adminUrl))).text();
  const listeners = JSON.parse(await admin('/listeners?format=json'));
  assert.deepEqual(
    listeners.listener_statuses.map((one: { local_address: unknown }) => one.local_address),
    [
      { socket_address: { address: '127.0.0.1', port_value: listen } },
      { socket_address: { protocol: 'UDP', address: '127.0.0.1', port_value: listen } },
      { socket_address: { address: '127.0.0.1', port_value: tlsPort } },
    ],
  );
  const metrics = await admin('/metrics');
  assert.match(metrics, /^istio_tcp_received_bytes_total\{[^}]*destination_service="db\.default[^}]*\} 8$/m, 'the connection still lives');
  assert.match(metrics, /^envoy_udp_downstream_sess_active\{envoy_udp_prefix="default\/dns\/0"\} 1$/m);
  assert.match(metrics, /^envoy_tcp_downstream_cx_total\{envoy_tcp_prefix="default\/web\/0"\} 1$/m);

  const page = await admin('/');
  assert.match(page, new RegExp(`data-connections="127\\.0\\.0\\.1:${listen}">1<`));
  for (const route of ['default/db/0', 'default/dns/0', 'default/web/0']) assert.ok(page.includes(`<td>${route}</td>`), route);

  // A change that does not concern them, then the end: the connection may finish what it does.
  writeFileSync(file, config(ports).replace('hostnames: [a.test]', 'hostnames: [b.test]'));
  await program.until(() => /revision.{0,20}2/.test(program.stderr));
  db.send('!');
  assert.equal(await db.until((text) => text === 'select 1!'), 'select 1!');
  assert.equal(await client.ask('again', listen), 'dns:again');
  assert.equal(dns.received[0].from.port, dns.received[1].from.port, 'the session is the same');
  process.kill(program.pid, 'SIGTERM');
  db.send('?');
  assert.equal(await db.until((text) => text === 'select 1!?'), 'select 1!?');
  db.socket.end();
  await program.until(() => program.exit !== null);
  assert.deepEqual(program.exit, { code: 0, signal: null });
  const lines = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line): Record<string, unknown> => JSON.parse(line));
  assert.deepEqual(
    lines
      .map((line) => [line['protocol'], line['route_name'], line['bytes_received'], line['response_flags'], line['response_code_details']])
      .toSorted((a, b) => String(a).localeCompare(String(b))),
    [
      ['TCP', 'default/db/0', 10, '-', null],
      ['TLS', 'default/web/0', lines.find((line) => line['protocol'] === 'TLS')?.['bytes_received'], '-', null],
      ['UDP', 'default/dns/0', 6, '-', 'drained'],
    ],
  );
});

await test('what a drain cuts at its end stands in the log', { timeout: 30_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-l4-'));
  const backend = await RawBackend.start(({ socket }) => socket.on('data', (text) => socket.write(text, 'latin1')));
  const listen = await freePort();
  const file = join(directory, 'config.yaml');
  const log = join(directory, 'access.log');
  writeFileSync(
    file,
    `apiVersion: weir.dev/v1
kind: Listener
metadata: {name: db}
spec: {port: ${listen}, protocol: TCP, forward: {destinations: [{host: 127.0.0.1, port: ${backend.port}}]}}
`,
  );
  const program = await Program.start(file, { drainTimeout: '100ms', args: ['--access-log', log, '--log-format', 'json'] });
  t.after(async () => {
    await program.kill();
    backend.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const db = await RawClient.connect(listen);
  db.send('select 1');
  assert.equal(await db.until((text) => text === 'select 1'), 'select 1');
  process.kill(program.pid, 'SIGTERM');
  await program.until(() => program.exit !== null);
  assert.deepEqual(program.exit, { code: 0, signal: null });
  const line: Record<string, unknown> = JSON.parse(readFileSync(log, 'utf8'));
  assert.deepEqual([line['protocol'], line['bytes_sent'], line['response_code_details']], ['TCP', 8, 'drained']);
});
