import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { OfflineLimitStore } from '../decide/limit.ts';
import { compileFiles } from '../dialects/compile.ts';
import { compileTables } from '../proxy/route/compile.ts';
import { answerExplain, type ExplainInput } from './run/explain.ts';

const config = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gateway}
spec:
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["*.example.com"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: ["*.example.com"]
  gateways: [gateway]
  http:
  - name: cart
    match: [{uri: {prefix: /cart}}]
    route: [{destination: {host: cart.test, port: {number: 8080}}}]
  - name: rest
    route: [{destination: {host: shop.test, port: {number: 8080}}}]
`;
const tests = `
apiVersion: weir.dev/v1
kind: RouteTest
metadata: {name: shop}
spec:
  cases:
  - name: the cart
    request: {url: "http://a.example.com/cart"}
    expect: {outcome: forward, route: cart, destination: "cart.test:8080"}
  - name: is wrong
    request: {url: "http://a.example.com/cart"}
    expect: {path: /other}
`;

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-explain-'));
  writeFileSync(join(folder, 'config.yaml'), config);
  writeFileSync(join(folder, 'tests.yaml'), tests);
});
after(() => rmSync(folder, { recursive: true, force: true }));

interface Run {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function weir(...args: readonly string[]): Promise<Run> {
  const main = new URL('main.ts', import.meta.url).pathname;
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

test('explain --format json prints one document of the promised shape', async () => {
  const { code, stdout } = await weir('explain', '-f', 'config.yaml', '--format', 'json', 'POST', 'http://a.example.com/cart/1?x');
  assert.equal(code, 0);
  const result = JSON.parse(stdout);
  const promised = [
    'outcome',
    'status',
    'listener',
    'virtualHost',
    'route',
    'request',
    'destinations',
    'response',
    'filters',
    'candidates',
    'flags',
  ];
  for (const key of promised) assert.ok(key in result, key);
  assert.equal(result.outcome, 'forward');
  assert.equal(result.request.method, 'POST');
  assert.equal(result.request.path, '/cart/1?x');
  assert.equal(result.route.origin.file, 'config.yaml');
  assert.equal(result.destinations[0].host, 'cart.test');
});

test('explain in text begins with the decision and says why the others lost', async () => {
  const { code, stdout } = await weir('explain', '-f', 'config.yaml', 'http://a.example.com/other');
  assert.equal(code, 0);
  assert.match(stdout, /^FORWARDED {2}to shop\.test:8080 by route 'rest'/);
  assert.match(stdout, /cart: path: '\/cart' is not a prefix of '\/other' {2}config\.yaml:\d+/);
});

const streams = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  gatewayClassName: weir
  listeners:
  - {name: db, port: 5432, protocol: TCP}
  - {name: dns, port: 5432, protocol: UDP}
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
`;

test('explain answers for connections: TCP and UDP on one port number, what is of HTTP is ignored with a word', async (t) => {
  writeFileSync(join(folder, 'streams.yaml'), streams);
  t.after(() => rmSync(join(folder, 'streams.yaml')));
  const tcp = await weir('explain', '-f', 'streams.yaml', 'GET', 'tcp://db.test:5432', '-H', 'a: b', '--from', 'spiffe://c/ns/n/sa/a');
  assert.equal(tcp.code, 0, tcp.stderr);
  assert.match(tcp.stderr, /tcp:\/\/db\.test:5432 is no HTTP request: the method GET, -H, --from ignored/);
  assert.match(tcp.stdout, /^ {2}route .*TCPRoute default\/db\)/m);
  assert.match(tcp.stdout, /^ {2}connection +TCP db\.test:5432$/m);
  const udp = await weir('explain', '-f', 'streams.yaml', '--format', 'json', 'udp://db.test:5432');
  const result = JSON.parse(udp.stdout);
  assert.equal(result.route.origin.kind, 'UDPRoute');
  assert.deepEqual(result.request, { method: 'UDP', authority: 'db.test:5432', path: '', headers: { set: {}, add: {}, remove: [] } });
  const none = await weir('explain', '-f', 'streams.yaml', 'tcp://db.test');
  assert.equal(none.code, 2);
  assert.match(none.stderr, /names no port; write tcp:\/\/db\.test:PORT/);
});

test('test asks for connections too, and tells which of their routes nobody reached', async (t) => {
  const cases = `---
apiVersion: weir.dev/v1
kind: RouteTest
metadata: {name: streams}
spec:
  cases:
  - name: the database
    request: {url: "tcp://db.test:5432"}
    expect: {route: default/db/0}
`;
  writeFileSync(join(folder, 'streams.yaml'), `${streams}${cases}`);
  t.after(() => rmSync(join(folder, 'streams.yaml')));
  const { stdout } = await weir('test', '-f', 'streams.yaml', '--format', 'json');
  const report = JSON.parse(stdout);
  assert.equal(report.passed, 1, stdout);
  assert.deepEqual(
    report.unreached.map((one: { route: string }) => one.route),
    ['default/dns/0'],
  );
});

async function running(): Promise<ExplainInput> {
  const compiled = await compileFiles([join(folder, 'config.yaml')]);
  return { compiled, tables: compileTables(compiled.snapshot), limits: new OfflineLimitStore(), bindings: [], resolved: [] };
}

const misuse: readonly { readonly name: string; readonly args: readonly string[]; readonly code: number; readonly says: RegExp }[] = [
  { name: 'no configuration', args: ['http://a.test/'], code: 2, says: /-f PATH/ },
  { name: 'no URL', args: ['-f', 'config.yaml', 'a.test'], code: 2, says: /not a URL/ },
  { name: 'a header without a colon', args: ['-f', 'config.yaml', '-H', 'x', 'http://a.test/'], code: 2, says: /name: value/ },
  { name: 'a caller of another shape', args: ['-f', 'config.yaml', '--from', 'me', 'http://a.test/'], code: 2, says: /spiffe:/ },
  { name: 'a body that is not there', args: ['-f', 'config.yaml', '--body', 'none', 'http://a.test/'], code: 2, says: /not a file/ },
  { name: 'a file that is not there', args: ['-f', 'none.yaml', 'http://a.test/'], code: 1, says: /WR0102/ },
  { name: 'a server that is not there', args: ['--server', '127.0.0.1:1', 'http://a.test/'], code: 3, says: /cannot be asked/ },
];
for (const row of misuse) {
  test(`explain: ${row.name}`, async () => {
    const { code, stdout, stderr } = await weir('explain', ...row.args);
    assert.equal(code, row.code);
    assert.match(stderr, row.says);
    assert.equal(stdout, '');
  });
}

test('explain --server asks the admin API and gets the same answer', async () => {
  const input = await running();
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      void answerExplain(request.url === '/api/v1/explain' ? input : null, body).then(({ status, text }) =>
        response.writeHead(status).end(text),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const { code, stdout } = await weir('explain', '--server', `127.0.0.1:${address.port}`, '--format', 'json', 'http://a.example.com/cart');
  server.close();
  assert.equal(code, 0);
  assert.equal(JSON.parse(stdout).route.name, 'cart');
});

test('the admin API refuses what it cannot read', async () => {
  const input = await running();
  assert.equal((await answerExplain(null, '{}')).status, 503);
  for (const body of ['{', '{}', '{"url":"http://a/","colour":1}', '{"url":"http://a/","from":"me"}']) {
    assert.equal((await answerExplain(input, body)).status, 400, body);
  }
});

test('test tells what failed, where, and which rules were not reached', async () => {
  const { code, stdout } = await weir('test', '-f', 'config.yaml', '-f', 'tests.yaml');
  assert.equal(code, 1);
  assert.match(stdout, /^ok {3}shop: the cart$/m);
  assert.match(stdout, /^FAIL shop: is wrong {2}tests\.yaml:\d+$/m);
  assert.match(stdout, /path: expected '\/other', got '\/cart'/);
  assert.match(stdout, /Rules that no test reached: 1\n {2}rest \(rule 1\) {2}config\.yaml:\d+/);
  assert.match(stdout, /1 passed, 1 failed/);
});

test('test does not count what nobody wrote: the routes that services have in the mesh', async (t) => {
  const service = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: cart}
spec: {hosts: [cart.test], resolution: STATIC, ports: [{number: 8080, name: http, protocol: HTTP}], endpoints: [{address: 127.0.0.1}]}
`;
  writeFileSync(join(folder, 'service.yaml'), service);
  t.after(() => rmSync(join(folder, 'service.yaml')));
  const { stdout } = await weir('test', '-f', 'config.yaml', '-f', 'tests.yaml', '-f', 'service.yaml');
  assert.match(stdout, /Rules that no test reached: 1\n {2}rest /);
});

test('test --format json', async () => {
  const { code, stdout } = await weir('test', '-f', 'config.yaml', '-f', 'tests.yaml', '--format', 'json');
  assert.equal(code, 1);
  const { passed, failed, unreached } = JSON.parse(stdout);
  assert.deepEqual([passed, failed, unreached.length], [1, 1, 1]);
});

test('test without a RouteTest document says so', async () => {
  const { code, stderr } = await weir('test', '-f', 'config.yaml');
  assert.equal(code, 0);
  assert.match(stderr, /no RouteTest/);
});
