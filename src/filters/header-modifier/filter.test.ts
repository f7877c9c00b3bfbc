import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, fakeContext, fakeRequest, fakeResponse } from '../../../tests/support/filter-request.ts';
import { headerModifier } from './filter.ts';
import { headerModifierSchema } from './schema.ts';
import { compileTemplate, templateOperators } from './template.ts';

type Lines = readonly (readonly [string, string])[];

const rows: readonly { name: string; config: object; before: Lines; after: Lines }[] = [
  {
    name: 'set overwrites every line, whatever its case',
    config: { set: [{ name: 'X-A', value: 'new' }] },
    before: [
      ['x-a', '1'],
      ['X-A', '2'],
      ['b', '3'],
    ],
    after: [
      ['b', '3'],
      ['X-A', 'new'],
    ],
  },
  { name: 'set writes where there was nothing', config: { set: [{ name: 'a', value: '1' }] }, before: [], after: [['a', '1']] },
  {
    name: 'add keeps what is there',
    config: { add: [{ name: 'A', value: '2' }] },
    before: [['a', '1']],
    after: [
      ['a', '1'],
      ['A', '2'],
    ],
  },
  {
    name: 'remove drops every line',
    config: { remove: ['X-A'] },
    before: [
      ['x-a', '1'],
      ['X-a', '2'],
      ['b', '3'],
    ],
    after: [['b', '3']],
  },
  {
    name: 'set, then add, then remove',
    config: {
      set: [{ name: 'a', value: '1' }],
      add: [
        { name: 'a', value: '2' },
        { name: 'b', value: '3' },
      ],
      remove: ['b'],
    },
    before: [['a', '0']],
    after: [
      ['a', '1'],
      ['a', '2'],
    ],
  },
  {
    name: 'a value with % is literal',
    config: { set: [{ name: 'a', value: '100% %REQ(b)%' }] },
    before: [],
    after: [['a', '100% %REQ(b)%']],
  },
  { name: 'an empty value is a value', config: { set: [{ name: 'a', value: '' }] }, before: [], after: [['a', '']] },
];

for (const row of rows) {
  test(`request: ${row.name}`, () => {
    const request = fakeRequest({ lines: row.before });
    ask(headerModifier.instantiate({ request: row.config }, fakeContext()), request);
    assert.deepEqual(request.headers.entries, row.after);
  });
  test(`response: ${row.name}`, () => {
    const hooks = headerModifier.instantiate({ response: row.config }, fakeContext());
    const response = fakeResponse(fakeRequest(), 200, row.before);
    hooks.onResponse?.(response);
    assert.deepEqual(response.headers.entries, row.after);
    assert.equal(hooks.onRequest, undefined);
  });
}

test('only the hooks that have work exist; a destination acts per attempt', () => {
  const config = { request: { remove: ['a'] } };
  assert.deepEqual(Object.keys(headerModifier.instantiate(config, fakeContext())), ['onRequest']);
  assert.deepEqual(Object.keys(headerModifier.instantiate(config, fakeContext([], { scope: 'destination' }))), ['onAttempt']);
  assert.deepEqual(Object.keys(headerModifier.instantiate(config, fakeContext([], { scope: 'listener' }))), ['onListener']);
  assert.deepEqual(Object.keys(headerModifier.instantiate({ request: {}, response: { set: [] } }, fakeContext())), []);
});

const operators: readonly { name: string; value: string; is: string | null }[] = [
  { name: 'a request header', value: 'from %REQ(X-User)%', is: 'from alice' },
  { name: 'the other header when the first is absent', value: '%REQ(x-none?x-user)%', is: 'alice' },
  { name: 'at most so many characters', value: '%REQ(x-user):2%', is: 'al' },
  { name: 'the client', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', is: '192.0.2.1' },
  { name: 'route and time', value: '%ROUTE_NAME% %START_TIME%', is: 'shop 2026-03-01T10:00:00.000Z' },
  { name: 'a doubled percent sign', value: '100%%', is: '100%' },
  { name: 'nothing but an absent header: no line', value: '%REQ(x-none)%', is: null },
];
for (const row of operators) {
  test(`operators: ${row.name}`, () => {
    const request = fakeRequest({ lines: [['x-user', 'alice']] });
    ask(headerModifier.instantiate({ operators: true, request: { set: [{ name: 'out', value: row.value }] } }, fakeContext()), request);
    assert.equal(request.headers.get('out'), row.is);
  });
}

test('operators: the status is known on responses', () => {
  const response = fakeResponse(fakeRequest(), 418);
  headerModifier
    .instantiate({ operators: true, response: { set: [{ name: 'out', value: '%RESPONSE_CODE%' }] } }, fakeContext())
    .onResponse?.(response);
  assert.equal(response.headers.get('out'), '418');
});

for (const value of ['100%', '%REQ(%', '%REQ()%', '%NO_SUCH%', '%REQ(a):x%']) {
  test(`operators: '${value}' is refused with what is supported`, () => {
    const result = headerModifierSchema.safeParse({ operators: true, request: { set: [{ name: 'a', value }] } });
    assert.deepEqual(
      result.error?.issues.map((issue) => issue.path.join('.')),
      ['request.set.0.value'],
    );
    assert.ok('problem' in compileTemplate(value));
  });
}

test('every operator that the docs list compiles', () => {
  for (const operator of templateOperators) assert.ok(!('problem' in compileTemplate(operator.replace('maxLength', '9'))), operator);
});

const refusedNames = [
  'Host',
  'content-length',
  'Transfer-Encoding',
  'connection',
  'keep-alive',
  'TE',
  'trailer',
  'upgrade',
  'proxy-connection',
  'a b',
  'a:',
  '',
  'ä',
  'a\r\nb',
];
for (const name of refusedNames) {
  test(`the name ${JSON.stringify(name)} cannot be set, added or removed`, () => {
    for (const side of ['request', 'response']) {
      for (const change of [{ set: [{ name, value: 'x' }] }, { add: [{ name, value: 'x' }] }, { remove: [name] }]) {
        assert.equal(headerModifierSchema.safeParse({ [side]: change }).success, false);
      }
    }
  });
}

for (const value of ['a\r\nSet-Cookie: x', 'a\nb', 'a\rb', 'a\u0000b', '\u007f', '\u2028', ' a', 'a\t']) {
  test(`the value ${JSON.stringify(value)} is refused`, () => {
    assert.equal(headerModifierSchema.safeParse({ request: { set: [{ name: 'a', value }] } }).success, false);
  });
}
