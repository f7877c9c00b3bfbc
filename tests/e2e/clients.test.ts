/** Ordinary clients: what the backend sees through Weir is what it sees without, and so is what the client gets. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Pool } from 'undici';
import { WebSocket } from 'ws';
import { requireProgram } from '../support/programs.ts';
import { clusterOf, Rig, routeTo, snapshotOf } from '../support/rig.ts';
import { endToEnd, Witness, type Witnessed } from '../support/witness.ts';

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), 'weir-clients-'));
const upload = join(directory, 'upload.bin');
const large = join(directory, 'large.bin');
let witness: Witness;
let rig: Rig;

before(async () => {
  writeFileSync(upload, 'x'.repeat(3000));
  writeFileSync(large, Buffer.alloc(2 * 1024 * 1024, 'weir-'));
  witness = await Witness.start();
  rig = await Rig.start((port) => snapshotOf(port, [routeTo('b')], [clusterOf('b', [witness.port])]));
});

after(async () => {
  await rig.close();
  witness.close();
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  assert.deepEqual(rig.faults, [], 'no bug was caught by a guard');
});

interface Side {
  readonly requests: readonly Witnessed[];
  readonly got: string;
}

/** The same client against the backend and against Weir in front of it. */
async function both(client: (base: string) => Promise<string>): Promise<{ readonly direct: Side; readonly through: Side }> {
  const side = async (port: number): Promise<Side> => {
    const got = await client(`http://127.0.0.1:${port}`);
    // What wrk had under way when it stopped may still come.
    const requests = witness.splice().filter(({ url }) => url !== '/wrk');
    return { got, requests: requests.map(endToEnd) };
  };
  return { direct: await side(witness.port), through: await side(rig.port) };
}

async function same(client: (base: string) => Promise<string>, count: number): Promise<void> {
  const { direct, through } = await both(client);
  assert.equal(direct.requests.length, count, 'the client itself works');
  assert.deepEqual(through.requests, direct.requests);
  assert.equal(through.got, direct.got);
}

const curls: readonly {
  readonly name: string;
  readonly args: readonly string[];
  readonly urls?: readonly string[];
  readonly count?: number;
}[] = [
  { name: 'GET', args: [] },
  { name: 'GET of a chunked answer', args: [], urls: ['/a/chunked?x=1'] },
  { name: 'HEAD', args: ['-I'] },
  { name: 'POST of a form', args: ['-d', 'a=1&b=zwei'] },
  { name: 'POST of a multipart form', args: ['-F', `file=@${upload}`] },
  { name: 'a chunked upload', args: ['-H', 'Transfer-Encoding: chunked', '--data-binary', `@${upload}`] },
  { name: 'PUT with Expect: 100-continue', args: ['-T', large, '-H', 'Expect: 100-continue'], urls: ['/put'] },
  { name: 'PUT from a pipe', args: ['-T', '-'], urls: ['/put'] },
  { name: 'DELETE', args: ['-X', 'DELETE'] },
  { name: 'OPTIONS *', args: ['-X', 'OPTIONS', '--request-target', '*'] },
  { name: 'HTTP/1.0', args: ['--http1.0'], urls: ['/a/chunked'] },
  { name: 'compressed', args: ['--compressed'], urls: ['/text'] },
  { name: 'a range', args: ['-r', '4-8'], urls: ['/text'] },
  { name: 'several URLs on one connection', args: ['-w', '%{num_connects}'], urls: ['/a', '/b/chunked', '/c', '/text'], count: 4 },
  { name: 'escapes and a query', args: ['-g'], urls: ['/a%20b/caf%C3%A9?q={"a":[1,2]}&x=%2F&y=a+b'] },
  { name: 'cookies, an empty header and a long one', args: ['-b', 'a=1; b=2', '-H', 'X-Empty;', '-H', `X-Long: ${'l'.repeat(6000)}`] },
  { name: 'credentials', args: ['-u', 'user:pass word', '-A', 'agent/1.0 (täst)'] },
  { name: 'conditions', args: ['-H', 'If-None-Match: "x"', '-z', '2020-01-01'] },
];

test('curl', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  for (const { name, args, urls = ['/echo?x=1'], count = 1 } of curls) {
    await t.test(name, () =>
      same(async (base) => {
        const child = run('curl', ['-sS', '--max-time', '20', ...args, ...urls.map((url) => base + url)]);
        child.child.stdin?.end('from a pipe');
        const { stdout } = await child;
        // Of the heads that -I prints: what the hop itself says, and when.
        return stdout.replaceAll(/^(date|connection|keep-alive):.*\r\n/gim, '');
      }, count),
    );
  }

  await t.test('paths as they are come in their one form', async () => {
    const { stdout } = await run('curl', ['-sS', '--path-as-is', `http://127.0.0.1:${rig.port}/a/../b/./c//d?x=../y`]);
    assert.equal(witness.splice()[0]?.url, '/b/c/d?x=../y');
    assert.match(stdout, /"url":"\/b\/c\/d\?x=..\/y"/);
  });

  await t.test('UTF-8 that was not escaped is answered as the backend answers it', async () => {
    const status = async (port: number): Promise<string> =>
      (await run('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', `http://127.0.0.1:${port}/café?q=ü`])).stdout;
    assert.equal(await status(rig.port), await status(witness.port));
    witness.splice();
  });
});

for (const pipelining of [1, 10]) {
  test(`undici, ${pipelining} in a pipeline`, () =>
    same(async (base) => {
      const pool = new Pool(base, { connections: 1, pipelining });
      const answers = Array.from({ length: 40 }, async (_, i) => {
        const { statusCode, body } = await pool.request({ path: i % 3 === 0 ? `/p/${i}/chunked` : `/p/${i}`, method: 'GET' });
        const text = await body.text();
        assert.match(text, new RegExp(`"/p/${i}[/"]`), 'each gets its own answer');
        return `${statusCode} ${text}`;
      });
      const got = (await Promise.all(answers)).join('\n');
      await pool.close();
      return got;
    }, 40));
}

test('undici, streamed uploads', () =>
  same(async (base) => {
    const pool = new Pool(base, { connections: 1 });
    const got: string[] = [];
    for (let i = 0; i < 3; i++) {
      const chunks = Array.from({ length: 20 }, (_, k) => Buffer.alloc(1000 * (k + 1), `${i}${k}-`));
      const { body } = await pool.request({ path: `/up/${i}`, method: 'POST', body: Readable.from(chunks) });
      got.push(await body.text());
    }
    await pool.close();
    return got.join('\n');
  }, 3));

test('node:http with a keep-alive agent uses one connection', () =>
  same(async (base) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number>();
    const got: string[] = [];
    for (let i = 0; i < 20; i++) {
      const sent = httpRequest(`${base}/n/${i}${i % 2 === 0 ? '/chunked' : ''}`, { agent, method: i % 4 === 0 ? 'POST' : 'GET' });
      if (i % 4 === 0) sent.write('first ');
      sent.end(i % 4 === 0 ? 'second' : undefined);
      const response = await new Promise<IncomingMessage>((resolve, reject) => sent.on('response', resolve).on('error', reject));
      ports.add(response.socket.localPort ?? 0);
      got.push(`${response.statusCode} ${(await response.setEncoding('utf8').toArray()).join('')}`);
    }
    agent.destroy();
    assert.equal(ports.size, 1);
    return got.join('\n');
  }, 20));

test('fetch', () =>
  same(async (base) => {
    const got: string[] = [];
    const bodies: (RequestInit | undefined)[] = [
      undefined,
      { method: 'POST', body: new URLSearchParams({ a: '1', b: 'zwei drei' }) },
      { method: 'POST', body: JSON.stringify({ a: 'ü' }), headers: { 'content-type': 'application/json' } },
      { method: 'POST', body: new Blob(['one ', 'two']).stream(), duplex: 'half' },
      { headers: { range: 'bytes=4-8' } },
    ];
    for (const init of bodies) {
      const response = await fetch(`${base}/text?f=é`, init);
      got.push(`${response.status} ${await response.text()}`);
    }
    return got.join('\n');
  }, 5));

test('ws, compressed messages of all sizes', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${rig.port}/ws`, { perMessageDeflate: { threshold: 0 } });
  await once(socket, 'open');
  assert.match(socket.extensions, /permessage-deflate/);
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
    const message = Buffer.alloc(size, 'abcdefg');
    const answer = once(socket, 'message');
    socket.send(message);
    const [data]: unknown[] = await answer;
    assert.ok(Buffer.isBuffer(data) && data.equals(message), `${size} bytes`);
  }
  const closed = once(socket, 'close');
  socket.close(1000, 'done');
  const [code, reason]: unknown[] = await closed;
  assert.deepEqual([code, String(reason)], [1000, 'done']);
});

test('wrk for a second, without an error', async (t) => {
  if (!requireProgram(t, 'wrk')) return;
  const { stdout } = await run('wrk', ['-t1', '-c16', '-d1s', `http://127.0.0.1:${rig.port}/wrk`]);
  assert.doesNotMatch(stdout, /Non-2xx|Socket errors/);
  assert.ok(Number(/(\d+) requests in/.exec(stdout)?.[1]) > 0, stdout);
  witness.splice();
});

const python = `
import sys, json, http.client, urllib.request
base = sys.argv[1]
print(urllib.request.urlopen(base + '/u?x=1').read())
print(urllib.request.urlopen(urllib.request.Request(base + '/u', data=b'a=1', headers={'X-A': 'b'})).read())
connection = http.client.HTTPConnection(base.split('//')[1])
for i in range(3):
    connection.request('POST', '/h/%d/chunked' % i, body=iter([b'one', b'two']), encode_chunked=True, headers={'Transfer-Encoding': 'chunked'})
    print(connection.getresponse().read())
connection.request('HEAD', '/h')
print(connection.getresponse().status)
`;

test('Python urllib and http.client', async (t) => {
  if (!requireProgram(t, 'python3')) return;
  await same(async (base) => (await run('python3', ['-c', python, base])).stdout, 6);
});

test('a browser: page, fetch, range and WebSocket', async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', `--user-data-dir=${join(directory, 'browser')}`];
  const child = spawn('chromium', [...flags, `http://127.0.0.1:${rig.port}/page`], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  const done = await Promise.race([witness.wait('/done'), once(child, 'exit').then(() => null)]);
  assert.equal(done?.body, 'hello|{"method":"POST","url":"/echo","length":16}|quick');
  child.kill('SIGKILL');
  await once(child, 'exit');
  witness.splice();
});
