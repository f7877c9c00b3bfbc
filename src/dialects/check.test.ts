import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { check, fieldName, issue, withoutNulls } from './check.ts';
import type { LocatedDocument } from './dialect.ts';

/** Places are not under test here: the line is the depth of the path, the column 2 for a key. */
const document = (value: unknown): LocatedDocument => ({
  file: 'a.yaml',
  index: 0,
  value,
  locate: (path, key) => ({ line: path.length, column: key === true ? 2 : 1 }),
});

const schema = z.strictObject({
  hosts: z.array(z.string()),
  port: z.number().int().min(1).max(65535).optional(),
  mode: z.enum(['STATIC', 'DNS']).optional(),
  match: z.union([z.strictObject({ exact: z.string() }), z.strictObject({ prefix: z.string() })]).optional(),
  labels: z.record(z.string().regex(/^[a-z]+$/), z.string()).optional(),
  tls: z.strictObject({ mode: z.string(), ca: z.string() }).optional(),
  wait: z.string({ error: 'write 5s' }).optional(),
  network: z.union([z.cidrv4(), z.cidrv6()]).optional(),
  secret: z
    .string()
    .superRefine((_value, context) =>
      context.addIssue({
        code: 'custom',
        message: 'is never right',
        params: issue({ diagnostic: 'WR0109', hint: 'leave it out' }),
      }),
    )
    .optional(),
});

const rows: readonly {
  readonly name: string;
  readonly value: unknown;
  readonly expect: readonly string[];
}[] = [
  { name: 'a value that fits has no diagnostics', value: { hosts: ['a'], port: 80 }, expect: [] },
  {
    name: 'an unknown field is reported at its key with the near name',
    value: { hosts: [], prot: 80 },
    expect: ["WR0104 1:2 unknown field 'prot' | did you mean 'port'?"],
  },
  {
    name: 'an unknown field unlike any other lists the fields',
    value: { hosts: [], zzzzzz: 80 },
    expect: ["WR0104 1:2 unknown field 'zzzzzz' | known fields: hosts, port, mode, match, labels, tls, wait, network, secret"],
  },
  {
    name: 'a missing field',
    value: {},
    expect: ["WR0106 1:1 hosts is required | write a value of type array for 'hosts'"],
  },
  {
    name: 'a number where a string belongs',
    value: { hosts: [1] },
    expect: ['WR0105 2:1 hosts[0] must be of type string, not number | put it in quotes: "1"'],
  },
  {
    name: 'a number out of range',
    value: { hosts: [], port: 70000 },
    expect: ['WR0105 1:1 port is 70000 and must be at most 65535 | write a number up to 65535'],
  },
  {
    name: 'a value where a map belongs names its fields',
    value: { hosts: [], tls: 'x' },
    expect: ['WR0105 1:1 tls must be of type object, not string | write its fields below it: mode, ca'],
  },
  {
    name: 'a schema with its own hint',
    value: { hosts: [], wait: 5 },
    expect: ['WR0105 1:1 wait must be of type string, not number | write 5s'],
  },
  {
    name: 'a string where a number belongs',
    value: { hosts: [], port: '80' },
    expect: ['WR0105 1:1 port must be of type number, not string | write it without quotes: 80'],
  },
  {
    name: 'a mistyped word',
    value: { hosts: [], mode: 'STATC' },
    expect: ["WR0105 1:1 mode cannot be 'STATC' | did you mean 'STATIC'? one of 'STATIC', 'DNS'"],
  },
  {
    name: 'a union of formats names them',
    value: { hosts: [], network: '10.0.0.0/33' },
    expect: ["WR0105 1:1 network cannot be '10.0.0.0/33' | expected IPv4 range, or IPv6 range"],
  },
  {
    name: 'a union tells of the alternative that came closest',
    value: { hosts: [], match: { exact: 1 } },
    expect: ['WR0105 2:1 match.exact must be of type string, not number | put it in quotes: "1"'],
  },
  {
    name: 'a bad key of a map',
    value: { hosts: [], labels: { A1: 'x' } },
    expect: ['WR0105 2:2 labels.A1: Invalid string: must match pattern /^[a-z]+$/ | -'],
  },
  {
    name: 'a refinement chooses its code and hint',
    value: { hosts: [], secret: 'x' },
    expect: ['WR0109 1:1 secret: is never right | leave it out'],
  },
  {
    name: 'two problems, two diagnostics',
    value: { prot: 1 },
    expect: [
      "WR0106 1:1 hosts is required | write a value of type array for 'hosts'",
      "WR0104 1:2 unknown field 'prot' | did you mean 'port'?",
    ],
  },
];

for (const row of rows) {
  test(`check: ${row.name}`, () => {
    const { value, diagnostics } = check(schema, row.value, document(row.value), [], null);
    assert.deepEqual(
      diagnostics.map((one) => `${one.code} ${one.line}:${one.column} ${one.message} | ${one.hint ?? '-'}`),
      row.expect,
    );
    assert.equal(value === null, row.expect.length > 0);
  });
}

test('fieldName writes list positions and odd keys as a reader expects', () => {
  assert.equal(fieldName(['spec', 'http', 0, 'headers', '@request.auth.claims.a']), 'spec.http[0].headers["@request.auth.claims.a"]');
});

test('withoutNulls keeps list positions and drops null fields only', () => {
  assert.deepEqual(withoutNulls({ a: null, b: [null, { c: null, d: 0 }], e: '' }), {
    b: [null, { d: 0 }],
    e: '',
  });
});
