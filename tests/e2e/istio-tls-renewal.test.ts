/** Certificates in files and Secrets while the program runs: renewals serve without a failed handshake, and keys stay where they are. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pem, pemPath, tlsSecret } from '../support/pem.ts';
import { Program } from '../support/program.ts';
import { freePort } from '../support/ports.ts';
import { runProgram } from '../support/tls.ts';

const weir = fileURLToPath(new URL('../../bin/weir', import.meta.url));

function gateway(port: number, tls: string, more = ''): string {
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g}
spec:
  servers:
  - {port: {number: ${port}, name: https, protocol: HTTPS}, hosts: ["*"], tls: {${tls}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v}
spec: {hosts: ["*"], gateways: [g], http: [{directResponse: {status: 200, body: {string: ok}}}]}
${more}`;
}

/** Common name of the certificate that is shown; '' when the handshake fails. */
function shown(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, servername: 'shop.example.com' }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', () => resolve(''));
  });
}

interface Scene {
  readonly directory: string;
  readonly port: number;
  readonly program: Program;
}

async function scene(
  t: TestContext,
  text: (port: number) => string,
  prepare: (directory: string) => void,
  args: readonly string[] = [],
): Promise<Scene> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-renewal-'));
  const port = await freePort();
  prepare(directory);
  mkdirSync(join(directory, 'config'));
  writeFileSync(join(directory, 'config', 'a.yaml'), text(port));
  const program = await Program.start(join(directory, 'config'), { args: args.map((arg) => arg.replace('@dir@', directory)) });
  t.after(async () => {
    await program.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  return { directory, port, program };
}

test('certificate files outside the configuration are watched; half a renewal changes nothing', async (t) => {
  const files = 'mode: SIMPLE, serverCertificate: ../tls/web.crt, privateKey: ../tls/web.key';
  const { directory, port, program } = await scene(
    t,
    (free) => gateway(free, files),
    (d) => {
      mkdirSync(join(d, 'tls'));
      copyFileSync(pemPath('server.crt'), join(d, 'tls/web.crt'));
      copyFileSync(pemPath('server.key'), join(d, 'tls/web.key'));
    },
  );
  assert.equal(await shown(port), 'example.com');
  let { revision } = program;
  copyFileSync(pemPath('other.crt'), join(directory, 'tls/web.crt'));
  revision = await program.newRevision(revision);
  assert.equal(await shown(port), 'example.com', 'the certificate before, with its key');
  assert.match((await program.admin('/api/v1/diagnostics')).text, /WR0331/);
  copyFileSync(pemPath('other.key'), join(directory, 'tls/new.key'));
  renameSync(join(directory, 'tls/new.key'), join(directory, 'tls/web.key'));
  await program.newRevision(revision);
  assert.equal(await shown(port), 'other.example.org');
  assert.doesNotMatch((await program.admin('/api/v1/diagnostics')).text, /WR0331/);
});

test('a Secret is renewed again and again while clients connect: every handshake succeeds', async (t) => {
  const { directory, port, program } = await scene(
    t,
    (free) => gateway(free, 'mode: SIMPLE, credentialName: web', tlsSecret('default', 'web', 'server')),
    () => undefined,
  );
  const file = join(directory, 'config', 'a.yaml');
  const texts = (['other', 'server'] as const).map((pair) =>
    gateway(port, 'mode: SIMPLE, credentialName: web', tlsSecret('default', 'web', pair)),
  );
  const seen = new Set<string>();
  const work = { done: false };
  const clients = Array.from({ length: 4 }, async () => {
    while (!work.done) seen.add(await shown(port));
  });
  let { revision } = program;
  for (let round = 0; round < 6; round++) {
    writeFileSync(`${file}.new`, texts[round % 2]);
    renameSync(`${file}.new`, file);
    revision = await program.newRevision(revision);
  }
  work.done = true;
  await Promise.all(clients);
  assert.deepEqual([...seen].toSorted(), ['example.com', 'other.example.org']);
});

test('no output shows a piece of a key: admin pages, logs, diagnostics, explain, validate', async (t) => {
  const files = 'mode: SIMPLE, credentialNames: [web, broken], tlsCertificates: []';
  const other = pem('other.key');
  const broken = `---\napiVersion: v1\nkind: Secret\nmetadata: {name: broken}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: ${JSON.stringify(pem('server.crt'))}\n  tls.key: ${JSON.stringify(other)}\n`;
  const rule = `---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d}\nspec: {host: b.test, trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: ../tls.crt, privateKey: ../tls.key}}}\n`;
  const { directory, port, program } = await scene(
    t,
    (free) => gateway(free, files, tlsSecret('default', 'web', 'server') + broken + rule),
    (d) => {
      copyFileSync(pemPath('client.crt'), join(d, 'tls.crt'));
      copyFileSync(pemPath('client.key'), join(d, 'tls.key'));
    },
    ['--access-log', '@dir@/access.log'],
  );
  assert.equal(await shown(port), 'example.com');
  await runProgram('curl', ['-sk', `https://127.0.0.1:${port}/`]);
  const outputs = new Map<string, string>();
  const openApi = (await program.admin('/api/v1/openapi.json')).text;
  const paths = [
    '/',
    '/config_dump',
    '/config_dump?include_eds',
    '/certs',
    '/clusters?format=json',
    '/listeners',
    '/stats',
    '/metrics',
    '/server_info',
    '/api/v1/status',
    '/api/v1/diagnostics',
    '/api/v1/overview',
  ];
  for (const path of [...new Set([...paths, ...Object.keys(JSON.parse(openApi).paths)])])
    outputs.set(path, (await program.admin(path)).text);
  assert.ok((outputs.get('/certs') ?? '').includes('example.com'), 'the pages do tell of the certificates');
  outputs.set('standard error', program.stderr);
  outputs.set('access log', readFileSync(join(directory, 'access.log'), 'utf8'));
  const config = join(directory, 'config');
  for (const args of [
    ['validate', '-f', config],
    ['validate', '-f', config, '--format', 'json'],
    ['validate', '-f', config, '--format', 'sarif'],
    ['explain', '-f', config, `https://shop.example.com:${port}/`],
    ['explain', '-f', config, '--format', 'json', `https://shop.example.com:${port}/`],
    ['explain', '--server', new URL(program.adminUrl).host, `https://shop.example.com:${port}/`],
    ['test', '-f', config],
  ]) {
    const { stdout, stderr } = await runProgram(weir, args);
    outputs.set(args.join(' '), stdout + stderr);
  }
  for (const [name, text] of outputs)
    for (const key of ['server.key', 'other.key', 'client.key'] as const)
      assert.equal(pieceOf(pem(key), text), null, `${name} shows ${key}`);
  assert.ok(
    [...outputs.values()].some((text) => text.includes('WR0331')),
    'the broken Secret was told of',
  );
});

/** Ten characters of the key's middle in the text, as PEM, as base64 of PEM, or as hex; null: none. */
function pieceOf(key: string, text: string): string | null {
  const body = key.split('\n').slice(1, -2).join('');
  const der = Buffer.from(body, 'base64');
  for (const form of [body.slice(24), Buffer.from(key).toString('base64').slice(80, -80), der.subarray(28).toString('hex')])
    for (let i = 0; i + 16 <= form.length; i++) if (text.includes(form.slice(i, i + 16))) return form.slice(i, i + 16);
  return null;
}
