import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'weir-validate-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const clean = `apiVersion: weir.dev/v1
kind: Listener
metadata: {name: public}
spec: {port: 8080, protocol: HTTP}
`;
/** A route to a host that only DNS may know: a warning. */
const warned = '_format_version: "3.0"\nservices:\n- {name: s, host: nowhere, port: 80, routes: [{name: r, paths: [/]}]}\n';
const wrong = `${clean}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: vs}
spec:
  hosts: [a.test]
  http: [{directResponse: {status: 200}}]
  htp: []
`;

const service = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: se}
spec: {hosts: [a.test], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 127.0.0.1}]}
`;
const bytes = `apiVersion: weir.dev/v1
kind: Listener
metadata: {name: db}
spec: {port: 5432, protocol: TCP, forward: {destinations: [{host: 127.0.0.1, port: 5433}]}}
`;
for (const [name, text] of Object.entries({ clean, warned, wrong, service, bytes })) writeFileSync(join(directory, `${name}.yaml`), text);

function weir(args: readonly string[], input = '', env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: directory,
    input,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, stdout, stderr };
}

const rows: readonly { readonly name: string; readonly args: readonly string[]; readonly status: number; readonly says: RegExp }[] = [
  { name: 'a sound file', args: ['-f', 'clean.yaml'], status: 0, says: /^valid: 1 listener, 0 routes, 0 clusters$/m },
  {
    name: 'a service of the mesh',
    args: ['-f', 'clean.yaml', '-f', 'service.yaml'],
    status: 0,
    says: /^valid: 1 listener and the mesh, 1 route, 1 cluster$/m,
  },
  { name: 'a route of layer 4', args: ['-f', 'bytes.yaml'], status: 0, says: /^valid: 1 listener, 1 route, 1 cluster$/m },
  { name: 'warnings only', args: ['-f', 'warned.yaml'], status: 0, says: /^warned\.yaml:\d+:\d+ warning WR0604 .*\n {2}hint: / },
  { name: 'warnings with --strict', args: ['-f', 'warned.yaml', '--strict'], status: 1, says: /0 errors, 1 warning/ },
  { name: 'an error', args: ['-f', 'wrong.yaml'], status: 1, says: /^wrong\.yaml:12:3 error WR0104 /m },
  { name: 'several paths', args: ['-f', 'clean.yaml', '-f', 'wrong.yaml'], status: 1, says: /1 listener/ },
  { name: 'a file that is not there', args: ['-f', 'none.yaml'], status: 1, says: /^none\.yaml error WR0102 / },
];
for (const { name, args, status, says } of rows) {
  test(`validate: ${name} → exit ${status}`, () => {
    const result = weir(['validate', ...args]);
    assert.equal(result.status, status, result.stderr);
    assert.match(result.stdout, says);
    assert.equal(result.stderr, '');
  });
}

test('validate reads standard input and the environment', () => {
  assert.match(weir(['validate', '-f', '-'], wrong).stdout, /^-:12:3 error/m);
  assert.equal(weir(['validate'], '', { WEIR_FILE: 'wrong.yaml:clean.yaml' }).status, 1);
  assert.equal(weir(['validate', '-f', 'clean.yaml'], '', { WEIR_FILE: 'wrong.yaml' }).status, 0);
});

test('validate --format json prints one document with diagnostics and status', () => {
  const { status, stdout } = weir(['validate', '-f', 'wrong.yaml', '--format', 'json']);
  assert.equal(status, 1);
  const { valid, summary, diagnostics, status: resources } = JSON.parse(stdout);
  assert.equal(valid, false);
  assert.equal(summary.errors, 1);
  const found = diagnostics.find(({ code }: { code: string }) => code === 'WR0104');
  assert.deepEqual(Object.keys(found).sort(), ['code', 'column', 'docs', 'file', 'hint', 'line', 'message', 'resource', 'severity']);
  assert.deepEqual(found.resource, { kind: 'VirtualService', namespace: 'default', name: 'vs' });
  assert.deepEqual(
    resources.filter((resource: { quarantined: boolean }) => resource.quarantined).map((resource: { name: string }) => resource.name),
    ['vs'],
  );
});

test('validate --format sarif prints a run with rules and places', () => {
  const { runs, version } = JSON.parse(weir(['validate', '-f', 'wrong.yaml', '--format', 'sarif']).stdout);
  assert.equal(version, '2.1.0');
  const result = runs[0].results.find(({ ruleId }: { ruleId: string }) => ruleId === 'WR0104');
  assert.equal(runs[0].tool.driver.rules[result.ruleIndex].id, 'WR0104');
  assert.deepEqual(result.locations[0].physicalLocation, {
    artifactLocation: { uri: 'wrong.yaml' },
    region: { startLine: 12, startColumn: 3 },
  });
});

test('misuse is told on standard error with exit 2', () => {
  for (const args of [['validate'], ['validate', '-f', 'clean.yaml', '--format', 'xml'], ['frobnicate'], []]) {
    const { status, stdout, stderr } = weir(args);
    assert.equal(status, 2, args.join(' '));
    assert.equal(stdout, '');
    assert.notEqual(stderr, '');
  }
  assert.equal(weir(['--help']).status, 0);
  assert.match(weir(['--version']).stdout, /^\d+\.\d+\.\d+\n$/);
});
