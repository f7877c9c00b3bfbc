import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Program } from '../support/program.ts';
import { requireProgram } from '../support/programs.ts';
import { freePort } from '../support/ports.ts';
import { answering, RawBackend } from '../support/raw.ts';
import { hello } from '../support/proxied.ts';
import { runProgram } from '../support/tls.ts';

const config = (backend: number, socket: string): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g}
spec:
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v}
spec:
  hosts: ["*"]
  gateways: [g, mesh]
  http:
  - route: [{destination: {host: backend.test, port: {number: 80}}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: s}
spec:
  hosts: [backend.test]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: ${backend}}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1}]
---
apiVersion: weir.dev/v1
kind: Listener
metadata: {name: local}
spec: {address: "unix://${socket}", port: 0, routesFrom: [mesh]}
`;

await test(
  'weir run --dev-certificate serves HTTPS for the host, marked as what it is; a Unix socket serves beside it',
  { timeout: 60_000 },
  async (t) => {
    if (!requireProgram(t, 'curl') || !requireProgram(t, 'openssl')) return;
    const directory = mkdtempSync(join(tmpdir(), 'weir-dev-'));
    const backend = await RawBackend.start(answering(() => hello));
    const socket = join(directory, 'weir.sock');
    const file = join(directory, 'gateway.yaml');
    writeFileSync(file, config(backend.port, socket));
    const [http, https] = [await freePort(), await freePort()];
    const program = await Program.start(file, {
      args: ['--map-port', `80:${http}`, '--map-port', `8443:${https}`, '--dev-certificate', 'localhost'],
    });
    t.after(async () => {
      await program.kill();
      backend.close();
      rmSync(directory, { recursive: true, force: true });
    });
    assert.match(program.stderr, new RegExp(`a development certificate for localhost, which nobody should trust, serves on port ${https}`));
    const untrusted = await runProgram('curl', ['-sS', `https://localhost:${https}/`]);
    assert.match(untrusted.stderr, /certificate/);
    const shown = await runProgram('openssl', ['s_client', '-connect', `127.0.0.1:${https}`, '-servername', 'localhost', '-showcerts']);
    assert.match(shown.stdout, /subject=O = Weir development certificate, CN = localhost/);
    const pem = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----\n/.exec(shown.stdout)?.[0] ?? '';
    const certificate = join(directory, 'shown.pem');
    writeFileSync(certificate, pem);
    for (const host of ['localhost', '127.0.0.1'])
      assert.equal((await runProgram('curl', ['-sS', '--cacert', certificate, `https://${host}:${https}/`])).stdout, 'hello', host);
    const before = program.revision;
    writeFileSync(file, `${config(backend.port, socket)}# edited\n`);
    await program.newRevision(before);
    const after = await runProgram('curl', ['-sS', '--cacert', certificate, `https://localhost:${https}/`]);
    assert.equal(after.stdout, 'hello', 'the same certificate serves on');
    assert.equal((await runProgram('curl', ['-sS', '--unix-socket', socket, 'http://backend.test/'])).stdout, 'hello');
    assert.ok((await program.metric('envoy_listener_ssl_handshake')) >= 4);
    assert.ok((await program.metric('envoy_listener_ssl_connection_error')) >= 1, 'the client that did not trust it');
  },
);
