/** Attacks with the tools that attackers have: testssl.sh looks for weak TLS, slowhttptest holds connections. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';
import type { HttpLimits } from '../../src/model/listener.ts';
import { Pki, secretOf } from '../support/pki.ts';
import { requireProgram } from '../support/programs.ts';
import { answering, exchange } from '../support/raw.ts';
import { body, hello, proxied } from '../support/proxied.ts';
import { behindTls, chainOf, tlsOf } from '../support/tls.ts';

/** What the program said, once it has ended by itself; null after `limitMs`. */
async function run(t: TestContext, command: string, args: readonly string[], limitMs: number): Promise<string | null> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('latin1').on('data', (text: string) => (said += text));
  t.after(() => child.kill('SIGKILL'));
  const late = setTimeout(() => child.kill('SIGKILL'), limitMs);
  const [code]: unknown[] = await once(child, 'close');
  clearTimeout(late);
  return code === null ? null : stripVTControlCharacters(said);
}

const findingSchema = z.looseObject({ id: z.string(), severity: z.string(), finding: z.string() });
type Finding = z.infer<typeof findingSchema>;

/** MEDIUM and worse, and what testssl.sh could not find out. */
const isWeak = ({ severity }: Finding): boolean => !['OK', 'INFO', 'LOW'].includes(severity);

await test('testssl.sh finds no weakness in the default TLS listener', { timeout: 240_000 }, async (t) => {
  if (!requireProgram(t, 'testssl')) return;
  const pki = new Pki(t);
  const names = ['DNS:localhost', 'IP:127.0.0.1'];
  const secrets = [secretOf('ec', pki.issue({ names })), secretOf('rsa', pki.issue({ names, kind: 'rsa' }))];
  const chains = [chainOf('https', { tls: tlsOf(['ec', 'rsa'], { alpn: ['h2', 'http/1.1'] }) })];
  const { port } = await behindTls(t, chains, secrets);
  const directory = mkdtempSync(join(tmpdir(), 'weir-testssl-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'findings.json');
  // Protocols, ciphers, forward secrecy, preferences, vulnerabilities: not the certificate, which is the user's.
  const what = ['--protocols', '--std', '--fs', '--server-preference', '--vulnerable'];
  const how = ['--warnings', 'batch', '--quiet', '--color', '0', '--ip', '127.0.0.1', '--add-ca', pki.caFile, '--jsonfile', file];
  const said = await run(t, 'testssl', [...what, ...how, `localhost:${port}`], 200_000);
  assert.notEqual(said, null, 'testssl.sh came to its end');
  const findings = z.array(findingSchema).parse(JSON.parse(readFileSync(file, 'utf8')));
  const found = new Map(findings.map(({ id, severity }) => [id, severity]));
  const looked = [
    'SSLv2',
    'SSLv3',
    'TLS1_2',
    'TLS1_3',
    'cipherlist_NULL',
    'cipherlist_aNULL',
    'cipherlist_EXPORT',
    'heartbleed',
    'CCS',
    'ROBOT',
  ];
  looked.push(
    'secure_renego',
    'secure_client_renego',
    'CRIME_TLS',
    'POODLE_SSL',
    'SWEET32',
    'FREAK',
    'DROWN',
    'LOGJAM',
    'BEAST',
    'LUCKY13',
    'RC4',
  );
  for (const id of looked) assert.equal(found.get(id), 'OK', id);
  assert.deepEqual(findings.filter(isWeak), []);
});

await test('what testssl.sh calls weak, and what it did not find out, is a finding', () => {
  const of = (severity: string): Finding => ({ id: 'TLS1', severity, finding: 'offered' });
  assert.deepEqual(
    ['OK', 'INFO', 'LOW', 'MEDIUM', 'HIGH', 'CRITICAL', 'WARN', 'FATAL'].filter((severity) => isWeak(of(severity))),
    ['MEDIUM', 'HIGH', 'CRITICAL', 'WARN', 'FATAL'],
  );
});

const large = `HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n${'x'.repeat(2_000_000)}`;
const connections = 100;

interface Slow {
  readonly name: string;
  readonly args: readonly string[];
  readonly path: string;
  /** The limit that cuts it, alone: under load a client that pauses for a second may pause for longer. */
  readonly limits: Partial<HttpLimits>;
  /** How each of the connections ends in the log. */
  readonly line: { readonly code: number; readonly flags: string; readonly details: string };
  /** The tool sees that all of them were closed. */
  readonly seen: boolean;
}

const attacks: readonly Slow[] = [
  {
    name: 'slow headers (slowloris)',
    args: ['-H', '-i', '1', '-x', '24'],
    path: '/',
    limits: { headTimeoutMs: 1500 },
    line: { code: 408, flags: 'DT', details: 'request_header_timeout' },
    seen: true,
  },
  {
    name: 'a slow body (R-U-Dead-Yet)',
    args: ['-B', '-i', '1', '-s', '8192', '-t', 'POST'],
    path: '/',
    limits: { requestTimeoutMs: 2000 },
    line: { code: 408, flags: 'DT', details: 'request_overall_timeout' },
    seen: true,
  },
  {
    name: 'slow reading',
    // Reads a few bytes of each answer; that its connections were reset it does not notice.
    args: ['-X', '-w', '10', '-y', '20', '-n', '1', '-z', '32', '-k', '3'],
    path: '/large',
    limits: { streamIdleTimeoutMs: 1500 },
    line: { code: 200, flags: 'SI', details: 'via_upstream' },
    seen: false,
  },
];

for (const { name, args, path, limits, line, seen } of attacks) {
  await test(`${name}: others are served, and every slow connection is cut`, { timeout: 60_000 }, async (t) => {
    if (!requireProgram(t, 'slowhttptest')) return;
    const { rig, port } = await proxied(
      t,
      answering((request) => (request.startsWith('GET /large') ? large : hello)),
      { limits },
    );
    const state = { over: false };
    const common = ['-c', String(connections), '-r', '200', '-l', '8', '-p', '5', '-v', '1', '-u', `http://127.0.0.1:${port}${path}`];
    const attack = run(t, 'slowhttptest', [...args, ...common], 40_000).finally(() => (state.over = true));
    let served = 0;
    while (!state.over) {
      const received = await exchange(port, `GET /victim HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`);
      assert.match(received, /^HTTP\/1\.1 200 /);
      assert.equal(body(received), 'hello');
      served++;
    }
    const said = await attack;
    assert.ok(said !== null, 'slowhttptest came to its end');
    assert.match(said, /service available:\s+YES/);
    if (seen) assert.match(said, /No open connections left/);
    assert.ok(served > 10, `${served} others were served`);
    const isCut = (one: Record<string, unknown>): boolean =>
      one['response_code'] === line.code && one['response_flags'] === line.flags && one['response_code_details'] === line.details;
    let lines: readonly Record<string, unknown>[] = [];
    for (let count = served; lines.filter(isCut).length < connections; count = lines.length + 1) lines = await rig.logged(count);
    assert.equal(lines.filter(isCut).length, connections);
  });
}
