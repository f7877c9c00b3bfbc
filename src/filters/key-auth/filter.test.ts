import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import type { Consumer } from '../../model/consumer.ts';
import { ask, fakeContext, fakeRequest } from '../../../tests/support/filter-request.ts';
import type { FilterRequest } from '../define.ts';
import { keyAuth } from './filter.ts';
import { findInQuery } from './query.ts';
import { keyAuthSchema, maxKeyBytes } from './schema.ts';

const origin = { dialect: 'kong', kind: 'Consumer', namespace: null, name: 'alice', file: 'kong.yaml', line: 1, column: 1 } as const;
const sha = (key: string): string => hash('sha256', key, 'hex');
const alice: Consumer = {
  id: 'a-1',
  username: 'alice',
  customId: 'crm-7',
  groups: [],
  keys: [{ id: 'cred-1', sha256: sha('s3cret') }],
  origin,
};
const umlaut: Consumer = {
  id: 'u-1',
  username: 'umlaut',
  customId: null,
  groups: [],
  keys: [{ id: 'cred-2', sha256: sha('schlüssel') }],
  origin,
};
const guest: Consumer = { id: 'g-1', username: 'guest', customId: null, groups: [], keys: [], origin };
const context = fakeContext([alice, umlaut, guest]);
const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

interface Row {
  readonly name: string;
  readonly config?: object;
  readonly request: Partial<FilterRequest> & { readonly lines?: readonly (readonly [string, string])[] };
  /** Details of the refusal, or the consumer. */
  readonly is: string;
}

const refused: readonly Row[] = [
  { name: 'no key', request: {}, is: 'key_auth_missing' },
  { name: 'an empty header', request: { lines: [['apikey', '']] }, is: 'key_auth_missing' },
  { name: 'a wrong key', request: { lines: [['apikey', 'wrong']] }, is: 'key_auth_unknown_key' },
  { name: 'the digest instead of the key', request: { lines: [['apikey', sha('s3cret')]] }, is: 'key_auth_unknown_key' },
  { name: 'a key with a prefix of the right one', request: { lines: [['apikey', 's3cre']] }, is: 'key_auth_unknown_key' },
  {
    name: 'two lines, one right and one wrong',
    request: {
      lines: [
        ['apikey', 's3cret'],
        ['APIKEY', 'wrong'],
      ],
    },
    is: 'key_auth_duplicate',
  },
  {
    name: 'two equal lines',
    request: {
      lines: [
        ['apikey', 's3cret'],
        ['apikey', 's3cret'],
      ],
    },
    is: 'key_auth_duplicate',
  },
  { name: 'two lines joined by a proxy before', request: { lines: [['apikey', 's3cret, s3cret']] }, is: 'key_auth_unknown_key' },
  { name: 'the query when it is not asked', request: { query: 'apikey=s3cret' }, is: 'key_auth_missing' },
  {
    name: 'the header when it is not asked',
    config: { inHeader: false, inQuery: true },
    request: { lines: [['apikey', 's3cret']] },
    is: 'key_auth_missing',
  },
  {
    name: 'a wrong header beside a right query: the header decides',
    config: { inQuery: true },
    request: { lines: [['apikey', 'wrong']], query: 'apikey=s3cret' },
    is: 'key_auth_unknown_key',
  },
  { name: 'the parameter twice', config: { inQuery: true }, request: { query: 'apikey=s3cret&%61pikey=s3cret' }, is: 'key_auth_duplicate' },
  { name: 'a parameter in another case', config: { inQuery: true }, request: { query: 'APIKEY=s3cret' }, is: 'key_auth_missing' },
  { name: 'a key as long as a head', request: { lines: [['apikey', 'x'.repeat(50_000)]] }, is: 'key_auth_unknown_key' },
  { name: 'an OPTIONS request, by default', request: { method: 'OPTIONS' }, is: 'key_auth_missing' },
  { name: 'a consumer of an earlier filter, without `anonymous`', request: { consumer: guest, credential: 'jwt' }, is: 'key_auth_missing' },
  {
    name: 'a key that is not in the list of the config',
    config: { keys: [{ consumer: 'bob', key: 'other' }] },
    request: { lines: [['apikey', 's3cret']] },
    is: 'key_auth_unknown_key',
  },
];

for (const row of refused) {
  test(`refuses ${row.name}`, () => {
    const hooks = keyAuth.instantiate(row.config ?? {}, context);
    const reply = ask(hooks, fakeRequest(row.request));
    assert.equal(reply?.status, 401);
    assert.equal(reply.details, row.is);
    assert.deepEqual(reply.headers, [['WWW-Authenticate', 'Key']]);
    assert.ok(!JSON.stringify(reply).includes('s3cret'));
  });
}

const admitted: readonly Row[] = [
  { name: 'the header', request: { lines: [['apikey', 's3cret']] }, is: 'alice' },
  { name: 'the header in another case', request: { lines: [['ApiKey', 's3cret']] }, is: 'alice' },
  { name: 'the second name', config: { names: ['x-one', 'X-Two'] }, request: { lines: [['x-two', 's3cret']] }, is: 'alice' },
  { name: 'the query', config: { inQuery: true }, request: { query: 'a=1&apikey=s3cret&b' }, is: 'alice' },
  { name: 'the query, percent-encoded', config: { inQuery: true }, request: { query: '%61pikey=s3%63ret' }, is: 'alice' },
  {
    name: 'a right header beside a wrong query',
    config: { inQuery: true },
    request: { lines: [['apikey', 's3cret']], query: 'apikey=wrong' },
    is: 'alice',
  },
  { name: 'UTF-8 in a header', request: { lines: [['apikey', latin1('schlüssel')]] }, is: 'umlaut' },
  { name: 'UTF-8 in a query', config: { inQuery: true }, request: { query: 'apikey=schl%C3%BCssel' }, is: 'umlaut' },
  {
    name: 'a key of the config for a declared consumer',
    config: { keys: [{ consumer: 'alice', key: 'inline' }] },
    request: { lines: [['apikey', 'inline']] },
    is: 'alice',
  },
  {
    name: 'a key of the config for a name of its own',
    config: { keys: [{ consumer: 'bob', sha256: sha('bobs') }] },
    request: { lines: [['apikey', 'bobs']] },
    is: 'bob',
  },
  { name: 'nobody, as anonymous', config: { anonymous: 'guest' }, request: {}, is: 'guest' },
  { name: 'a wrong key, as anonymous', config: { anonymous: 'g-1' }, request: { lines: [['apikey', 'wrong']] }, is: 'guest' },
];

for (const row of admitted) {
  test(`admits by ${row.name}`, () => {
    const request = fakeRequest(row.request);
    assert.equal(ask(keyAuth.instantiate(row.config ?? {}, context), request), undefined);
    assert.equal(request.consumer?.username, row.is);
    assert.equal(request.headers.get('x-consumer-username'), row.is);
  });
}

const spoofed: readonly (readonly [string, string])[] = [
  ['X-Consumer-ID', 'root'],
  ['x-consumer-username', 'root'],
  ['X-CONSUMER-CUSTOM-ID', 'root'],
  ['X-Consumer-Groups', 'admins'],
  ['X-Credential-Identifier', 'root'],
  ['X-Anonymous-Consumer', 'false'],
];

test("a client's own identity headers never pass", () => {
  const sent = (config: object, fields: Parameters<typeof fakeRequest>[0]): readonly (readonly [string, string])[] => {
    const request = fakeRequest({ ...fields, lines: [...spoofed, ...(fields?.lines ?? []), ...spoofed] });
    ask(keyAuth.instantiate(config, context), request);
    return request.headers.entries;
  };
  assert.deepEqual(sent({}, { lines: [['apikey', 's3cret']] }), [
    ['X-Consumer-ID', 'a-1'],
    ['X-Consumer-Custom-ID', 'crm-7'],
    ['X-Consumer-Username', 'alice'],
    ['X-Credential-Identifier', 'cred-1'],
  ]);
  assert.deepEqual(sent({ anonymous: 'guest' }, {}), [
    ['X-Consumer-ID', 'g-1'],
    ['X-Consumer-Username', 'guest'],
    ['X-Anonymous-Consumer', 'true'],
  ]);
  assert.deepEqual(sent({ runOnPreflight: false }, { method: 'OPTIONS' }), []);
});

test('the key goes no further: header, query and every configured name', () => {
  const request = fakeRequest({
    lines: [
      ['apikey', 's3cret'],
      ['x-key', 'other'],
      ['accept', '*/*'],
    ],
    query: 'apikey=s3cret',
  });
  ask(keyAuth.instantiate({ names: ['apikey', 'x-key'], inQuery: true }, context), request);
  assert.deepEqual(request.headers.lines('apikey'), []);
  assert.deepEqual(request.headers.lines('x-key'), []);
  assert.deepEqual(request.removedQuery, ['apikey', 'x-key']);
  assert.equal(request.headers.get('accept'), '*/*');
});

test('the key goes on where the upstream wants it', () => {
  const request = fakeRequest({ lines: [['apikey', 's3cret']] });
  ask(keyAuth.instantiate({ hideCredentials: false }, context), request);
  assert.equal(request.headers.get('apikey'), 's3cret');
});

test('an earlier authentication counts when `anonymous` makes it an alternative', () => {
  const request = fakeRequest({ consumer: alice, credential: 'jwt-1', lines: [['x-consumer-id', 'a-1']] });
  assert.equal(ask(keyAuth.instantiate({ anonymous: 'guest' }, context), request), undefined);
  assert.equal(request.consumer, alice);
  assert.equal(request.headers.get('x-consumer-id'), 'a-1');
});

test('an anonymous consumer that does not exist closes the route', () => {
  const reply = ask(keyAuth.instantiate({ anonymous: 'nobody' }, context), fakeRequest());
  assert.equal(reply?.status, 500);
  assert.equal(reply.message, 'An unexpected error occurred');
});

test('a longer key than the limit is never looked up', () => {
  const looked: string[] = [];
  const hooks = keyAuth.instantiate({}, fakeContext([], { findKey: (sha256) => (looked.push(sha256), null) }));
  ask(hooks, fakeRequest({ lines: [['apikey', 'x'.repeat(maxKeyBytes + 1)]] }));
  assert.equal(looked.length, 0);
  ask(hooks, fakeRequest({ lines: [['apikey', 'x'.repeat(maxKeyBytes)]] }));
  assert.equal(looked.length, 1);
});

test('look-ups see digests only', () => {
  const looked: string[] = [];
  ask(
    keyAuth.instantiate({}, fakeContext([], { findKey: (sha256) => (looked.push(sha256), null) })),
    fakeRequest({ lines: [['apikey', 's3cret']] }),
  );
  assert.deepEqual(looked, [sha('s3cret')]);
});

test('reasons name consumers, never keys', () => {
  const request = fakeRequest({ lines: [['apikey', 's3cret']] });
  ask(keyAuth.instantiate({}, context), request);
  assert.deepEqual(request.notes, ['key of consumer alice']);
});

test('the realm stands in the challenge and cannot break out of it', () => {
  assert.deepEqual(ask(keyAuth.instantiate({ realm: 'shop' }, context), fakeRequest())?.headers, [
    ['WWW-Authenticate', 'Key realm="shop"'],
  ]);
  for (const realm of ['a"b', 'a\r\nSet-Cookie: x', 'a\\']) assert.equal(keyAuthSchema.safeParse({ realm }).success, false);
});

test('a key in clear is hashed when it is read; reading twice changes nothing', () => {
  const once = keyAuthSchema.parse({ keys: [{ consumer: 'bob', key: 'clear text' }] });
  assert.ok(!JSON.stringify(once).includes('clear text'));
  assert.deepEqual(keyAuthSchema.parse(once), once);
});

test('in front of routing it acts as a listener filter', () => {
  const hooks = keyAuth.instantiate({}, fakeContext([], { scope: 'listener' }));
  assert.equal(hooks.onRequest, undefined);
  assert.ok(hooks.onListener);
});

const queries: readonly { name: string; query: string; is: unknown }[] = [
  { name: 'absent', query: 'a=1', is: null },
  { name: 'without a value', query: 'k', is: { value: '' } },
  { name: 'a value with =', query: 'k=a=b', is: { value: 'a=b' } },
  { name: 'plus is a space', query: 'k=a+b', is: { value: 'a b' } },
  { name: 'a broken escape stays', query: 'k=%zz%4', is: { value: '%zz%4' } },
  { name: 'twice, once encoded', query: 'k=1&%6B=2', is: 'several' },
  { name: 'the name only as a value', query: 'a=k&b=k=1', is: null },
  { name: 'empty pairs', query: '&&k=1&&', is: { value: '1' } },
];
for (const row of queries) test(`query: ${row.name}`, () => assert.deepEqual(findInQuery(row.query, 'k'), row.is));
