import assert from 'node:assert/strict';
import { head, type Attack, type AttackClass } from './row.ts';

/** `/admin` is denied with 403. Where a target ends up: the status, or the path that reaches the backend. */
type Row = readonly [target: string, ends: number | string];

/** All rows, for other protocols. */
export const pathRows: Row[] = [];

const attacks = (rows: readonly Row[]): Attack[] => {
  pathRows.push(...rows);
  return rows.map(([target, ends]) => ({
    name: `${JSON.stringify(target)} → ${ends}`,
    send: head(`GET ${target} HTTP/1.1`),
    also: ({ reached, statuses }) => {
      const starts = reached.map(({ start }) => start);
      if (typeof ends === 'number') assert.deepEqual([statuses, starts], [[ends], []]);
      else assert.deepEqual([statuses, starts], [[200], [`GET ${ends}`]]);
      for (const start of starts)
        assert.ok(!readings(start.slice(4)).some((path) => path.startsWith('/admin')), `no reader takes ${start} for /admin`);
    },
  }));
};

/** What servers make of a path that decode it once, take parameters off, turn backslashes, stop at NUL, merge slashes or resolve dots. */
export function readings(path: string): readonly string[] {
  const out = new Set<string>();
  const decoded = path.replaceAll(/%[0-9a-f]{2}/gi, (escape) => String.fromCharCode(Number.parseInt(escape.slice(1), 16)));
  for (const text of [path, decoded]) {
    for (const plain of [text, text.replaceAll('\\', '/'), text.split('\0')[0]]) {
      for (const bare of [plain, plain.replaceAll(/;[^/]*/g, '')]) {
        for (const one of [bare.split(/[?#]/)[0], bare.split('?')[0]]) out.add(resolve(one)).add(resolve(one.replaceAll(/\/{2,}/g, '/')));
      }
    }
  }
  return [...out];
}

function resolve(path: string): string {
  const out: string[] = [];
  for (const segment of path.split('/').slice(1)) {
    if (segment === '..') out.pop();
    else if (segment !== '.') out.push(segment);
  }
  return `/${out.join('/')}`;
}

export const paths: readonly AttackClass[] = [
  {
    name: 'Dot segments',
    sources: 'CVE-2019-9901, CVE-2021-41773; RFC 3986 §5.2.4',
    done: 'resolved before routing, also when written as escapes; what is matched is what is sent on',
    attacks: attacks([
      ['/admin', 403],
      ['/./admin', 403],
      ['/a/../admin', 403],
      ['/a/b/../../admin', 403],
      ['/../admin', 403],
      ['/../../admin', 403],
      ['/a/%2e%2e/admin', 403],
      ['/a/%2E%2e/admin', 403],
      ['/a/.%2e/admin', 403],
      ['/%2e/admin', 403],
      ['/admin/..', '/'],
      ['/admin/../a', '/a'],
      ['/admin/%2e%2e/a', '/a'],
      ['/a/...', '/a/...'],
      ['/a/..b', '/a/..b'],
    ]),
  },
  {
    name: 'Escapes of what needs none',
    sources: 'RFC 3986 §6.2.2.2; Tsai, Breaking Parser Logic 2018',
    done: 'unreserved characters are decoded once before routing; escapes that stay are written in upper case',
    attacks: attacks([
      ['/%61dmin', 403],
      ['/ad%6Din', 403],
      ['/%61%64%6d%69%6e', 403],
      ['/x%3b', '/x%3B'],
      ['/x%c3%a9', '/x%C3%A9'],
    ]),
  },
  {
    name: 'Escapes in escapes',
    sources: 'CVE-2021-42013; double decoding, OWASP',
    done: '%25 stays %25: decoded once, by us, and sent on as it stood. A backend that decodes twice sees another path: let it not',
    attacks: attacks([
      ['/%2561dmin', '/%2561dmin'],
      ['/a/%252e%252e/admin', '/a/%252e%252e/admin'],
      ['/a%252fadmin', '/a%252fadmin'],
      ['/%25', '/%25'],
    ]),
  },
  {
    name: 'Slashes in disguise',
    sources: 'CVE-2021-29492 (Envoy), CVE-2020-5902; Tsai 2018',
    done: 'merged; escaped ones and backslashes: 307 to the path with slashes, which is then matched (`escapedSlashes`)',
    attacks: [
      ...['/%2fevil.test', '/%2f%2fevil.test/%2e%2e', '/\\evil.test', '/%5c%5cevil.test', '/a%2f..%2f%2fevil.test', '/%2f%0d%0aX:%20y'].map(
        (target): Attack => ({
          name: `${JSON.stringify(target)} is no redirect to another host, and no header`,
          send: head(`GET ${target} HTTP/1.1`),
          also: ({ client, statuses }) => {
            assert.deepEqual(statuses, [307]);
            assert.match(client, /\r\nlocation: \/([^/\\\s][^\s]*)?\r\n/);
            assert.doesNotMatch(client, /\r\nX:/);
          },
        }),
      ),
      ...attacks([
        ['//admin', 403],
        ['///admin', 403],
        ['/a//..//admin', '/a/admin'],
        ['/%2fadmin', 307],
        ['/%2Fadmin', 307],
        ['/a%2f..%2fadmin', 307],
        ['/a/..%2fadmin', 307],
        ['/a/%2e%2e%2fadmin', 307],
        ['/\\admin', 307],
        ['/a/..\\admin', 307],
        ['/a%5c..%5cadmin', 307],
        ['/a//b', '/a/b'],
      ]),
    ],
  },
  {
    name: 'Parameters of a segment',
    sources: 'Tsai 2018 (Tomcat `..;`); CVE-2020-5902; RFC 3986 §3.3',
    done: '`.;x` and `..;x` are refused, 400, the semicolon as an escape too; elsewhere `;x` belongs to its segment: deny by prefix, not by exact path',
    attacks: attacks([
      ['/a/..;/admin', 400],
      ['/a/..;x=y/admin', 400],
      ['/.;/admin', 400],
      ['/..;/admin', 400],
      ['/a/%2e%2e;/admin', 400],
      ['/a/.%2e;x/admin', 400],
      ['/a/..%3b/admin', 400],
      ['/a/%2e%2e%3Bx/admin', 400],
      ['/a/.%3b/admin', 400],
      ['/a/...;x', '/a/...;x'],
      ['/admin;x=y', 403],
      ['/admin;/x', 403],
      ['/a;x=y/b', '/a;x=y/b'],
    ]),
  },
  {
    name: 'Bytes that end or change a path for some readers',
    sources: 'CVE-2023-45539; null-byte injection, OWASP; CVE-2000-0884 (IIS Unicode); RFC 9112 §3.2',
    done: 'NUL, broken escapes, `%u`, `#`, controls and raw bytes beyond ASCII are refused, 400; escaped ones are no other characters',
    attacks: attacks([
      ['/a%00/../admin', 400],
      ['/admin%00', 400],
      ['/a%', 400],
      ['/a%2', 400],
      ['/a%zz', 400],
      ['/%u0061dmin', 400],
      ['/a#/../admin', 400],
      ['/a\x01', 400],
      ['/a\x7f', 400],
      ['/a\xe2\x80\xae', 400],
      ['/\xef\xbc\x8fadmin', 400],
      ['/a/%c0%ae%c0%ae/admin', '/a/%C0%AE%C0%AE/admin'],
      ['/a%c0%af..%c0%afadmin', '/a%C0%AF..%C0%AFadmin'],
      ['/%ef%bc%8fadmin', '/%EF%BC%8Fadmin'],
      ['/a%0d%0aX:%20y', '/a%0D%0AX:%20y'],
    ]),
  },
  {
    name: 'Forms of the target',
    sources: 'RFC 9112 §3.2; Kettle 2017',
    done: 'absolute targets lose scheme and host before routing; anything else but a path is refused, 400',
    attacks: attacks([
      ['http://a.test/admin', 403],
      ['HTTP://a.test/admin', 403],
      ['http://a.test/a/../admin', 403],
      ['http://a.test//admin', 403],
      ['http://a.test', '/'],
      ['http:/admin', 400],
      ['admin', 400],
      ['*', 400],
      ['?/admin', 400],
      ['/a?/../admin', '/a?/../admin'],
      ['/a?x=%2e%2e/admin', '/a?x=%2e%2e/admin'],
      ['/admin?x', 403],
      ['/ADMIN', '/ADMIN'],
    ]),
  },
];
