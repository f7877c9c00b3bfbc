/** Certificates in files: read beside the configuration, renewed in halves, missing. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { pem } from '../../tests/support/pem.ts';
import { type Certified, compileFiles, compileSources, defaultOptions, readCertificates } from './compile.ts';
import { contentHash, type FileMemory } from './secrets.ts';

const gateway = (tls: string): string =>
  `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g}
spec:
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: ["*"]
    tls: {${tls}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v}
spec: {hosts: ["*"], gateways: [g], http: [{directResponse: {status: 200}}]}
`;
const simple = 'mode: SIMPLE, serverCertificate: tls/web.crt, privateKey: tls/web.key';

interface Scene {
  readonly directory: string;
  readonly file: string;
  write(name: string, text: string): void;
  compile(memory?: FileMemory | null): Promise<Certified>;
}

function scene(t: TestContext, text: string): Scene {
  const directory = mkdtempSync(join(tmpdir(), 'weir-secrets-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, 'tls'));
  const file = join(directory, 'a.yaml');
  writeFileSync(file, text);
  return {
    directory,
    file,
    write: (name, content) => writeFileSync(join(directory, 'tls', name), content),
    compile: async (memory = null) => readCertificates(await compileSources([{ file, text }], defaultOptions, null), memory),
  };
}

function told({ diagnostics }: Certified, directory: string): readonly string[] {
  return diagnostics.map(({ code, severity, line, message }) => `${code} ${severity} ${line} ${message.replaceAll(directory, '')}`);
}

const served = ({ snapshot }: Certified): readonly string[] => snapshot.listeners[0].chains?.[0].tls?.certificates ?? ['no chain'];

test('files are found beside the configuration, whatever the current directory is', async (t) => {
  const { directory, file, write } = scene(t, gateway(simple));
  write('web.crt', pem('server.crt'));
  write('web.key', pem('server.key'));
  const compiled = await compileFiles([file]);
  assert.deepEqual(told(compiled, directory), []);
  const [secret] = compiled.snapshot.secrets ?? [];
  assert.deepEqual([secret.certificate, secret.privateKey], [pem('server.crt'), pem('server.key')]);
  assert.deepEqual(served(compiled), [secret.name]);
  assert.deepEqual(
    compiled.files.map((one) => one.file),
    [join(directory, 'tls/web.crt'), join(directory, 'tls/web.key')],
  );
});

test('a renewal that is half written leaves the last good pair in force', async (t) => {
  const { directory, write, compile } = scene(t, gateway(simple));
  write('web.crt', pem('server.crt'));
  write('web.key', pem('server.key'));
  const first = await compile();
  const hash = contentHash(first.files);
  write('web.crt', pem('other.crt'));
  assert.notEqual(contentHash(first.files), hash, 'a renewal is seen');
  const second = await compile(first.certificates);
  assert.deepEqual(told(second, directory), [
    'WR0331 error 8 /tls/web.key does not belong to the certificate; what was read before serves',
  ]);
  assert.equal(second.snapshot.secrets?.[0].certificate, pem('server.crt'));
  write('web.key', pem('other.key'));
  const third = await compile(second.certificates);
  assert.deepEqual(told(third, directory), []);
  assert.equal(third.snapshot.secrets?.[0].certificate, pem('other.crt'));
  rmSync(join(directory, 'tls/web.crt'));
  const fourth = await compile(third.certificates);
  assert.deepEqual(told(fourth, directory), ['WR0334 error 8 /tls/web.crt does not exist; what was read before serves']);
  assert.equal(fourth.snapshot.secrets?.[0].certificate, pem('other.crt'));
});

const broken: readonly {
  readonly name: string;
  readonly tls: string;
  readonly prepare: (s: Scene) => void;
  readonly told: readonly string[];
}[] = [
  {
    name: 'a file that does not exist',
    tls: simple,
    prepare: (s) => s.write('web.crt', pem('server.crt')),
    told: ['WR0334 error 8 /tls/web.key does not exist'],
  },
  {
    name: 'a directory',
    tls: simple,
    prepare: (s) => {
      s.write('web.key', pem('server.key'));
      mkdirSync(join(s.directory, 'tls/web.crt'));
    },
    told: ['WR0334 error 8 /tls/web.crt is no file'],
  },
  {
    name: 'a pipe, which would never end',
    tls: simple,
    prepare: (s) => {
      s.write('web.key', pem('server.key'));
      execFileSync('mkfifo', [join(s.directory, 'tls/web.crt')]);
    },
    told: ['WR0334 error 8 /tls/web.crt is no file'],
  },
  {
    name: 'a file that is far too large',
    tls: simple,
    prepare: (s) => {
      s.write('web.key', pem('server.key'));
      s.write('web.crt', 'x'.repeat(1024 * 1024 + 1));
    },
    told: ['WR0334 error 8 /tls/web.crt is larger than 1048576 bytes'],
  },
  {
    name: 'authorities that are none',
    tls: `${simple.replace('SIMPLE', 'MUTUAL')}, caCertificates: tls/ca.crt`,
    prepare: (s) => {
      s.write('web.crt', pem('server.crt'));
      s.write('web.key', pem('server.key'));
      s.write('ca.crt', 'nobody');
    },
    told: ['WR0331 error 8 /tls/ca.crt is no PEM text'],
  },
];

for (const row of broken)
  test(`handshakes fail, and nothing else: ${row.name}`, async (t) => {
    const s = scene(t, gateway(row.tls));
    row.prepare(s);
    const compiled = await s.compile();
    assert.deepEqual(told(compiled, s.directory), row.told);
    assert.deepEqual(served(compiled), []);
  });

test('a destination whose certificate is missing is not reached in plain text', async (t) => {
  const text =
    'apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d}\nspec: {host: b.test, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: tls/ca.crt}}}\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec: {hosts: [a.test], http: [{route: [{destination: {host: b.test}}]}]}\n';
  const { compile, write } = scene(t, text);
  assert.match((await compile()).snapshot.clusters[0].blocked ?? '', /certificate/);
  write('ca.crt', pem('ca.crt'));
  const [cluster] = (await compile()).snapshot.clusters;
  assert.deepEqual([cluster.blocked, cluster.transport], [undefined, 'tls']);
});
