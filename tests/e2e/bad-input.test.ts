/** Hostile and mistaken input at the real program: each is told with code, place and hint, and nothing that serves is lost. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compileSources, defaultOptions } from '../../src/dialects/compile.ts';
import { explainerOf } from '../../src/proxy/explain.ts';
import { TestBackend } from '../support/backends.ts';
import { Program } from '../support/program.ts';
import { freePort } from '../support/ports.ts';
import { exchange, portOf } from '../support/raw.ts';
import { document, gatewayApi, istio, kong } from './fail-closed/rows.ts';

const executable = fileURLToPath(new URL('../../bin/weir', import.meta.url));
const options = { ...defaultOptions, bind: '127.0.0.1' };

interface Mistake {
  readonly name: string;
  readonly text: string;
  readonly code: string;
  /** What the message or the hint must say for its reader to mend it. */
  readonly says: RegExp;
}

const ok = (text: string): string => text.replaceAll('BACKEND', '9000');
const service = (spec: string): string => document('networking.istio.io/v1', 'VirtualService', spec, 'w');
const route = (spec: string): string => document('gateway.networking.k8s.io/v1', 'HTTPRoute', spec, 'w');
const entities = (text: string): string => `_format_version: "3.0"\n${text}\n`;
const nested = `a: ${'['.repeat(50_000)}`;
const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
  .split('')
  .map((name, i) => `${name}: &${name} [${`*${'abcdefgh'[i]},`.repeat(8)}*${'abcdefgh'[i]}]`)
  .join('\n')}\n`;

const mistakes: readonly Mistake[] = [
  { name: 'wrong indentation', text: 'a:\n  - b\n   - c: d\n e: f\n', code: 'WR0101', says: /YAML/ },
  { name: 'a tab', text: 'kind: Gateway\nspec:\n\tservers: []\n', code: 'WR0101', says: /tab.*spaces/i },
  { name: 'a missing separator', text: `${istio().split('---')[0]}${istio().split('---')[1]}`, code: 'WR0101', says: /'apiVersion'.*---/ },
  {
    name: 'an unquoted star',
    text: entities('services: [{name: s, host: h, routes: [{name: r, hosts: [*.a.test]}]}]'),
    code: 'WR0101',
    says: /"\*\.a\.test"/,
  },
  { name: 'nesting without end', text: nested, code: 'WR0101', says: /deep/ },
  { name: 'an alias bomb', text: bomb, code: 'WR0101', says: /aliases/ },
  { name: 'an alias inside its anchor', text: 'a: &a\n  b: *a\n', code: 'WR0101', says: /own anchor/ },
  { name: 'binary', text: '\u0001\u0002%PDF\u0000: [', code: 'WR0101', says: /./ },
  { name: 'another format', text: '<xml/>', code: 'WR0103', says: /apiVersion.*_format_version/ },
  { name: 'a misspelled kind', text: document('networking.istio.io/v1', 'VirtualServce', '{}'), code: 'WR0103', says: /VirtualService/ },
  {
    name: 'a wrong apiVersion',
    text: document('networking.istio.io/v2', 'VirtualService', '{hosts: [a.test]}'),
    code: 'WR0105',
    says: /networking\.istio\.io\/v1/,
  },
  {
    name: 'a misspelled field',
    text: service('{hosts: [a.test], http: [{match: [{uri: {prefx: /}}], directResponse: {status: 200}}]}'),
    code: 'WR0104',
    says: /did you mean 'prefix'/,
  },
  { name: 'a port as a text', text: istio().replace('number: 8000', 'number: "8000"'), code: 'WR0105', says: /without quotes: 8000/ },
  { name: 'a port out of range', text: istio().replace('number: 8000', 'number: 80000'), code: 'WR0105', says: /65535/ },
  { name: 'a missing field', text: service('{hosts: [a.test], http: [{route: [{destination: {}}]}]}'), code: 'WR0106', says: /host/ },
  { name: 'a plugin with an underscore', text: kong + 'plugins: [{name: key_auth}]\n', code: 'WR0405', says: /did you mean 'key-auth'/ },
  { name: 'a version without quotes', text: kong.replace('"3.0"', '3.0'), code: 'WR0105', says: /"3\.0"/ },
  {
    name: 'VirtualService → Gateway',
    text: istio() + '---\n' + service('{hosts: [b.test], gateways: [gg], http: [{directResponse: {status: 200}}]}'),
    code: 'WR0204',
    says: /default\/g/,
  },
  { name: 'VirtualService → subset', text: istio('- {route: [{destination: {host: a.test, subset: v9}}]}'), code: 'WR0203', says: /v9/ },
  { name: 'VirtualService → delegate', text: istio('- {delegate: {name: nobody}}'), code: 'WR0206', says: /nobody/ },
  { name: 'HTTPRoute → Gateway', text: route('{parentRefs: [{name: gg}], rules: [{}]}'), code: 'WR0301', says: /gg/ },
  {
    name: 'HTTPRoute → Service',
    text: gatewayApi().replace('backendRefs: [{name: svc', 'backendRefs: [{name: nobody'),
    code: 'WR0305',
    says: /nobody/,
  },
  { name: 'Kong route → service', text: entities('routes: [{name: r, paths: [/], service: nobody}]'), code: 'WR0401', says: /nobody/ },
  {
    name: 'Kong plugin → consumer',
    text: kong + 'plugins: [{name: rate-limiting, consumer: anne, config: {minute: 1}}]\n',
    code: 'WR0401',
    says: /did you mean 'ann'/,
  },
  {
    name: 'Policy → target',
    text:
      istio() + '---\n' + document('weir.dev/v1', 'Policy', '{targetRefs: [{kind: VirtualService, name: vv}], filters: [{keyAuth: {}}]}'),
    code: 'WR0501',
    says: /there are: v/,
  },
  {
    name: 'two resources of one name',
    text:
      istio() +
      '---\n' +
      document('networking.istio.io/v1', 'Gateway', '{servers: [{port: {number: 8001, name: http, protocol: HTTP}, hosts: ["*"]}]}', 'g'),
    code: 'WR0107',
    says: /Rename/,
  },
  {
    name: 'two Kong routes of one name',
    text: entities('services: [{name: s, host: h.test, routes: [{name: r, paths: [/a]}, {name: r, paths: [/b]}]}]'),
    code: 'WR0107',
    says: /r/,
  },
  {
    name: 'two dialects on one port',
    text: istio() + '---\n' + document('weir.dev/v1', 'Listener', '{port: 8000, protocol: HTTP}', 'l'),
    code: 'WR0601',
    says: /8000/,
  },
  {
    name: 'two Listeners on one port',
    text: ['a', 'b'].map((name) => document('weir.dev/v1', 'Listener', '{port: 8000, protocol: HTTP}', name)).join('---\n'),
    code: 'WR0505',
    says: /port/,
  },
  {
    name: 'a route that hides another',
    text: istio('- {route: [{destination: {host: a.test}}]}\n  - {match: [{uri: {prefix: /b}}], directResponse: {status: 200}}'),
    code: 'WR0603',
    says: /./,
  },
  {
    name: 'look-ahead in a regular expression',
    text: istio('- {match: [{uri: {regex: "/(?!a).*"}}], directResponse: {status: 200}}'),
    code: 'WR0111',
    says: /RE2|look/i,
  },
  {
    name: 'a back-reference',
    text: entities('services: [{name: s, host: h.test, routes: [{name: r, paths: ["~/(a)\\\\1"]}]}]'),
    code: 'WR0111',
    says: /./,
  },
];

describe('a mistake in a file is told', () => {
  for (const { name, text, code, says } of mistakes)
    it(name, async () => {
      const { diagnostics } = await compileSources([{ file: 'x.yaml', text: ok(text) }], options, null);
      const found = diagnostics.find((one) => one.code === code && says.test(`${one.message} ${one.hint ?? ''}`));
      assert.ok(
        found,
        diagnostics.map((one) => `${one.code} ${one.message} | ${one.hint ?? ''}`.slice(0, 300)).join('\n') || 'no diagnostic',
      );
      assert.ok(found.file === 'x.yaml' && found.line > 0 && found.column > 0, `place ${found.line}:${found.column}`);
      assert.ok(found.hint !== undefined, 'no hint');
    });
});

/** Patterns on which a backtracking engine needs exponential or quadratic time, with a text that makes it. */
const evil: readonly (readonly [pattern: string, text: (n: number) => string])[] = [
  ['(a+)+b', (n) => 'a'.repeat(n)],
  ['(a|a)*b', (n) => 'a'.repeat(n)],
  ['(a|aa)+$', (n) => `${'a'.repeat(n)}b`],
  ['(.*)*x', (n) => 'a'.repeat(n)],
  ['([a-z]+)*[0-9]', (n) => 'abc'.repeat(n / 3)],
  ['.*.*.*=.*', (n) => 'x'.repeat(n)],
  ['(\\w+\\d*)+-', (n) => 'a1'.repeat(n / 2)],
];

const regexConfigs: Readonly<Record<string, (pattern: string) => string>> = {
  'Istio uri.regex': (pattern) => istio(`- {match: [{uri: {regex: '/${pattern}'}}], directResponse: {status: 204}}`),
  'Istio header regex': (pattern) => istio(`- {match: [{headers: {x-evil: {regex: '${pattern}'}}}], directResponse: {status: 204}}`),
  'Kong ~path': (pattern) => kong.replace('[/]', () => `['~/${pattern}']`),
  'Gateway API RegularExpression': (pattern) =>
    gatewayApi().replace('{name: first,', () => `{name: first, matches: [{path: {type: RegularExpression, value: '/${pattern}'}}],`),
};

describe('a hostile regular expression takes linear time', () => {
  for (const [where, config] of Object.entries(regexConfigs))
    it(where, async () => {
      for (const [pattern, text] of evil) {
        const { snapshot, diagnostics } = await compileSources([{ file: 'x.yaml', text: ok(config(pattern)) }], options, null);
        assert.deepEqual(
          diagnostics.filter(({ severity }) => severity === 'error'),
          [],
        );
        const explainer = explainerOf(snapshot);
        const cost = async (n: number): Promise<number> => {
          let best = Infinity;
          for (let i = 0; i < 5; i++) {
            const start = process.cpuUsage();
            for (let j = 0; j < 4; j++)
              await explainer.explain({
                method: 'GET',
                url: `http://a.test:8000/${text(n)}`,
                headers: [['x-evil', text(n)]],
                address: null,
                bodyBytes: 0,
                caller: null,
              });
            const { user } = process.cpuUsage(start);
            best = Math.min(best, user);
          }
          return best;
        };
        await cost(600);
        const [one, four] = [await cost(1800), await cost(7200)];
        // Four times the text: four times the work and a fixed part. Quadratic would be sixteen times.
        assert.ok(four < one * 9 + 20_000, `${pattern}: ${one} µs for 1800 characters, ${four} µs for 7200`);
      }
    });
});

describe('the running program', () => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-bad-'));
  const file = (name: string): string => join(directory, name);
  let backend: TestBackend;
  let program: Program;
  let taken: Server;
  let port = 0;
  const state = { stop: false, served: 0 };
  /** `answer`: a request of the traffic ended, well or not. */
  const events = new EventEmitter();
  const failures: string[] = [];
  let traffic: Promise<void> = Promise.resolve();

  before(async () => {
    backend = await TestBackend.start('a');
    port = await freePort();
    writeFileSync(file('good.yaml'), istio().replaceAll('BACKEND', String(backend.port)).replace('number: 8000', `number: ${port}`));
    taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    program = await Program.start(directory);
    traffic = (async () => {
      while (!state.stop && failures.length === 0) {
        try {
          // A slow backend sets the pace: there is always a request under way when something changes.
          const response = await fetch(`http://127.0.0.1:${port}/?wait=5`);
          await response.text();
          if (response.status === 200) state.served++;
          else failures.push(`status ${response.status}`);
        } catch (error) {
          failures.push(String(error));
        }
        events.emit('answer');
      }
    })();
  });
  after(async () => {
    state.stop = true;
    await traffic;
    await program.kill();
    backend.close();
    taken.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Resolves when the program said something new that matches, and serves on after it. */
  async function told(pattern: RegExp, act: () => void): Promise<void> {
    const from = program.stderr.length;
    act();
    const late = setTimeout(() => program.signal('SIGKILL'), 20_000);
    await program.until(() => pattern.test(program.stderr.slice(from)));
    clearTimeout(late);
    const enough = state.served + 5;
    while (state.served < enough && failures.length === 0) await once(events, 'answer');
    assert.deepEqual(failures, []);
    assert.equal(program.exit, null);
  }

  const texts: readonly (readonly [string, RegExp, string])[] = [
    ['a syntax error', /bad\.yaml:\d+:\d+ error WR0101 .*\n {2}hint: /, 'a: [}\n'],
    ['an alias bomb', /bad\.yaml:\d+:\d+ error WR0101 .*aliases/, bomb],
    ['nesting without end', /bad\.yaml:\d+:\d+ error WR0101 .*deep/, nested],
    ['bytes of no text', /bad\.yaml:\d+:\d+ error WR010[13] /, '\u0000\u0001\u001b[2J: [\u0007'],
    ['a megabyte of rubbish', /bad\.yaml:\d+:\d+ error WR010[13] /, 'x'.repeat(1_000_000)],
    ['a broken resource', /bad\.yaml:\d+:\d+ error WR0104 .*\n {2}hint: /, service('{hosts: [b.test], http: [{rout: []}]}')],
  ];
  for (const [name, pattern, text] of texts)
    it(`serves on through ${name}`, async () => {
      await told(pattern, () => writeFileSync(file('bad.yaml'), text));
    });

  it('serves on when its good file is damaged, vanishes into a directory, or comes back', async () => {
    await told(/good\.yaml:\d+:\d+ error WR0101 /, () => {
      renameSync(file('good.yaml'), file('kept'));
      writeFileSync(file('good.yaml'), 'a: [}\n');
    });
    await told(/good\.yaml|revision \d+ serves/, () => {
      rmSync(file('good.yaml'));
      renameSync(file('kept'), file('good.yaml'));
    });
  });

  it('serves on past a loop of links and a link to nowhere', async () => {
    await told(/lost\.yaml error WR0102 .*\n {2}hint: /, () => {
      mkdirSync(file('sub'));
      symlinkSync('..', join(file('sub'), 'up'));
      symlinkSync('self.yaml', join(file('sub'), 'self.yaml'));
      symlinkSync('/nowhere/at/all.yaml', file('lost.yaml'));
    });
  });

  it('serves on past a file that cannot be read', async () => {
    // Permissions do not stop root; the memory of a process at address 0 cannot be read by anybody.
    const isRoot = process.getuid?.() === 0;
    await told(/secret\.yaml error WR0102 /, () => {
      if (isRoot) return symlinkSync('/proc/self/mem', file('secret.yaml'));
      writeFileSync(file('secret.yaml'), 'a: 1\n');
      chmodSync(file('secret.yaml'), 0);
    });
  });

  it('serves on when an edit asks for a port that is taken', async () => {
    await told(/more\.yaml:\d+:\d+ error WR0701 .*\n {2}hint: /, () =>
      writeFileSync(file('more.yaml'), document('weir.dev/v1', 'Listener', `{port: ${portOf(taken)}, protocol: HTTP}`, 'l')),
    );
  });

  it('answers attack strings and others meanwhile', async () => {
    await told(/revision \d+ serves/, () =>
      writeFileSync(
        file('evil.yaml'),
        document(
          'networking.istio.io/v1',
          'VirtualService',
          `{hosts: [evil.test], gateways: [g], http: [${evil.map(([pattern]) => `{match: [{uri: {regex: '/${pattern}'}}], directResponse: {status: 204}}`).join(', ')}]}`,
          'evil',
        ),
      ),
    );
    for (const [, text] of evil) {
      const reply = await exchange(port, `GET /${text(9000)} HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n`);
      assert.match(reply, /^HTTP\/1\.1 (204|404) /);
    }
    assert.deepEqual(failures, []);
  });

  it('lost no request in all that', () => {
    assert.deepEqual(failures, []);
    assert.ok(state.served > 50, `${state.served} requests`);
  });
});

describe('a start', () => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-start-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const weir = (...args: readonly string[]) => spawnSync(executable, args, { cwd: directory, encoding: 'utf8', timeout: 60_000 });

  it('on a port that is taken ends with 3 and says which, and how to move', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    writeFileSync(join(directory, 'l.yaml'), document('weir.dev/v1', 'Listener', `{port: ${portOf(server)}, protocol: HTTP}`, 'l'));
    const { status, stderr } = weir('run', '-f', 'l.yaml', '--bind', '127.0.0.1', '--admin', '127.0.0.1:0', '--workers', '1');
    server.close();
    assert.equal(status, 3);
    assert.match(stderr, /l\.yaml:\d+:\d+ error WR0701 .*taken.*\n {2}hint: .*--map-port/);
  });

  it('on an empty directory or nothing says so', () => {
    mkdirSync(join(directory, 'empty'));
    assert.match(weir('validate', '-f', 'empty').stdout, /WR0608 .*\n {2}hint: /);
    writeFileSync(join(directory, 'void.yaml'), '# nothing yet\n---\n');
    assert.match(weir('validate', '-f', 'void.yaml').stdout, /WR0608 /);
  });

  it('bounds a device that never ends', () => {
    const { status, stdout } = weir('validate', '-f', '/dev/zero');
    assert.equal(status, 1);
    assert.match(stdout, /^\/dev\/zero error WR0102 .*larger/);
  });

  it('shows control characters instead of sending them', () => {
    writeFileSync(join(directory, 'esc.yaml'), 'apiVersion: "\\e[2Jx/v1"\nkind: "\\u0007K"\n');
    const { stdout } = weir('validate', '-f', 'esc.yaml');
    assert.doesNotMatch(stdout.replaceAll('\n', ''), /\p{Cc}/u);
    assert.match(stdout, /\\x1b\[2J/);
  });

  it('prints no stack when its reader leaves early', () => {
    writeFileSync(join(directory, 'kong.yaml'), ok(kong));
    const { stdout, stderr } = spawnSync(
      'sh',
      [
        '-c',
        `'${executable}' explain -f kong.yaml http://a.test:8000/ | head -1; '${executable}' validate -f kong.yaml --format json | head -c 1`,
      ],
      { cwd: directory, encoding: 'utf8' },
    );
    assert.match(stdout, /^FORWARD/);
    assert.doesNotMatch(stderr, /EPIPE|at .*\.[jt]s/);
  });
});
