/** Requests aimed at generated configuration: few words, so that everything overlaps, and hostile spellings of them. */
import fc from 'fast-check';

export interface GeneratedRequest {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  /** Without Host. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export const paths = ['/', '/a', '/a/', '/a/b', '/ab', '/A', '/b', '/b/1', '/a/b/c', '/b/12/x'] as const;
const hostilePaths = [
  ...['//a', '/a//b', '/a/./b', '/a/../b', '/a/..', '/..', '/%61', '/%61/b', '/a%2Fb', '/a%2fb', '/a\\b', '/a%5cb', '/a/%2e%2e/b'],
  ...[
    '/a/..%2fb',
    '/a%00',
    '/a%zz',
    '/a;x',
    '/a;x/../b',
    '/a%20b',
    '/a%3Fb',
    '/b/%31',
    '/a%25%36%31',
    '/é',
    '/a%C3%A9',
    '/a|b',
    '/a.',
    '/a/...',
  ],
] as const;
const queries = [
  '',
  '',
  '',
  '?',
  '?q',
  '?q=1',
  '?q=&q=1',
  '?Q=1',
  '?q=1&q=2',
  '?qq=1',
  '?r=x&q=1',
  '?q=%31',
  '?q=a+b',
  '?/../a',
  '??',
] as const;

/** Undefined with weight 3 against `weight`. */
export const optional = <T>(value: fc.Arbitrary<T>, weight = 2): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight, arbitrary: value });

const header = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constantFrom('x-h', 'X-H', 'x-i'), fc.constantFrom('1', '2', 'one', 'One', '', 'one, 2')) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('x-gone'), fc.constantFrom('1', 'there')) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(['x_h', '1'] as const, ['X-Request-Id', 'forged'] as const, ['X-Forwarded-For', '10.1.1.1'] as const),
  },
);

export function requests(hosts: readonly string[], more: readonly (readonly [string, string])[] = []): fc.Arbitrary<GeneratedRequest> {
  const extra = more.length === 0 ? fc.constant([]) : fc.array(fc.constantFrom(...more), { maxLength: 1 });
  return fc
    .record({
      method: fc.constantFrom('GET', 'GET', 'GET', 'POST', 'HEAD', 'DELETE', 'OPTIONS', 'get'),
      path: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...paths) }, { weight: 1, arbitrary: fc.constantFrom(...hostilePaths) }),
      query: fc.constantFrom(...queries),
      host: fc.constantFrom(...hosts),
      headers: fc.array(header, { maxLength: 3 }),
      extra,
    })
    .map(({ method, path, query, host, headers, extra: own }) => ({ method, target: path + query, host, headers: [...headers, ...own] }));
}

export function bytesOf({ method, target, host, headers }: GeneratedRequest): string {
  const lines = [['Host', host] as const, ...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${method} ${target} HTTP/1.1\r\n${lines}\r\n`;
}
