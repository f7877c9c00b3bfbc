import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseText } from './text.ts';

const yamlFaults: readonly { readonly name: string; readonly text: string; readonly at: string; readonly says: RegExp }[] = [
  { name: 'a tab as indentation', text: 'a:\n\tb: 2\n', at: '2:1', says: /tab/ },
  { name: 'a field twice', text: 'a: 1\nb: 2\na: 3\n', at: '3:1', says: /occurs twice/ },
  { name: 'a field twice, deep inside', text: 'a:\n  b: 1\n  b: 2\n', at: '3:3', says: /occurs twice/ },
  { name: 'an unquoted wildcard host', text: 'hosts:\n- *.example.com\n', at: '2:3', says: /\*\.example\.com has no anchor/ },
  { name: 'an alias without anchor', text: 'a: *b\n', at: '1:4', says: /no anchor/ },
  { name: 'an alias inside its own anchor', text: 'a: &a\n  b: *a\n', at: '1:1', says: /its own anchor/ },
  { name: 'a tag that does not exist', text: 'a: !secret x\n', at: '1:4', says: /unresolved tag/i },
  { name: 'a list that is not closed', text: 'a: [1, 2\nb: 3\n', at: '2:1', says: /must be sufficiently indented/ },
  { name: 'a quote that is not closed', text: 'a: "x\nb: 1\n', at: '1:4', says: /quote/ },
  { name: 'an escape that does not exist', text: 'a: "\\q"\n', at: '1:5', says: /escape/ },
  { name: 'a key without a space after its colon', text: 'a:b\n  c: d\n', at: '1:1', says: /single line/ },
];

for (const { name, text, at, says } of yamlFaults) {
  test(`YAML: ${name}`, () => {
    const { documents, diagnostics } = parseText('a.yaml', text);
    assert.deepEqual(documents, []);
    assert.equal(diagnostics.length, 1);
    const [found] = diagnostics;
    assert.equal(found.code, 'WR0101');
    assert.equal(`${found.line}:${found.column}`, at);
    assert.match(found.message, says);
    assert.ok((found.hint ?? '').length > 10);
  });
}

const jsonFaults: readonly { readonly name: string; readonly text: string; readonly at: string; readonly says: RegExp }[] = [
  { name: 'a field twice', text: '{"a": 1,\n "a": 2}', at: '2:2', says: /"a" occurs twice/ },
  { name: 'a comma too many', text: '{"a": 1,}', at: '1:9', says: /field name/ },
  { name: 'a comma too many in an array', text: '[1,]', at: '1:4', says: /value is missing/ },
  { name: 'a comma missing', text: '{"a": 1 "b": 2}', at: '1:9', says: /comma or }/ },
  { name: 'a leading zero', text: '{"a": 012}', at: '1:8', says: /not a JSON number/ },
  { name: 'a comment', text: '{\n// x\n"a": 1}', at: '2:1', says: /field name/ },
  { name: 'single quotes', text: '{"a": \'x\'}', at: '1:7', says: /instead of/ },
  { name: 'a line break in a string', text: '{"a": "x\ny"}', at: '1:9', says: /control character/ },
  { name: 'an unknown escape', text: '{"a": "\\q"}', at: '1:7', says: /escape/ },
  { name: 'a text that is cut off', text: '{"a": [1, 2', at: '1:12', says: /ends inside an array/ },
  { name: 'text behind the value', text: '{} {}', at: '1:4', says: /goes on/ },
  { name: 'NaN', text: '{"a": NaN}', at: '1:7', says: /no JSON value/ },
];

for (const { name, text, at, says } of jsonFaults) {
  test(`JSON: ${name}`, () => {
    const { documents, diagnostics } = parseText('a.json', text);
    assert.deepEqual(documents, []);
    assert.equal(diagnostics.length, 1);
    assert.equal(`${diagnostics[0].line}:${diagnostics[0].column}`, at);
    assert.match(diagnostics[0].message, says);
  });
}

test('JSON values are those of JSON.parse, hostile names included', () => {
  for (const text of [
    '{"__proto__": {"x": 1}, "constructor": 2}',
    '{"1": 1, "0": 2, "b": [true, false, null, -0.5e3, ""]}',
    '[[], {}, "\\u0041\\n\\ud83d\\ude00"]',
    '\uFEFF{"a": 1}',
    ' "x" ',
  ]) {
    const { documents } = parseText('a.json', text);
    assert.deepEqual(documents[0].value, JSON.parse(text.replace('\uFEFF', '')));
  }
  assert.equal(Object.getPrototypeOf(parseText('a.json', '{"__proto__": {"x": 1}}').documents[0].value), Object.prototype);
});

for (const [file, text] of [
  ['a.yaml', 'a:\n  b:\n  - c: 1\n  - d:\n'],
  ['a.json', '{"a":\n  {"b":\n [{"c": 1},\n  {"d": null}]}}'],
] as const) {
  test(`${file}: values, keys and missing ones have a place`, () => {
    const [document] = parseText(file, text).documents;
    const at = (path: readonly (string | number)[], key = false) => document.locate(path, key).line;
    assert.equal(at(['a', 'b', 0, 'c']), 3);
    assert.equal(at(['a', 'b', 1, 'd'], true), 4);
    // What does not exist is where its nearest parent is.
    assert.equal(at(['a', 'b', 1, 'd', 'e']), 4);
    assert.equal(at(['a', 'b', 7]), at(['a', 'b']));
    assert.equal(at(['x']), 1);
  });
}

test('documents are split, empty ones skipped, and a fault in one leaves the others', () => {
  const { documents, damaged, diagnostics } = parseText(
    'a.yaml',
    '---\n# only a comment\n---\nkind: A\n---\nkind: B\nkind: C\n---\nkind: D\n...\n',
  );
  assert.deepEqual(
    documents.map(({ value }) => value),
    [{ kind: 'A' }, { kind: 'D' }],
  );
  assert.equal(damaged.length, 1);
  assert.equal(diagnostics.length, 1);
  assert.equal(documents[1].locate(['kind']).line, 9);
});

test('items of a List stand alone, with their places', () => {
  const { documents } = parseText('a.yaml', 'apiVersion: v1\nkind: List\nitems:\n- kind: A\n- kind: B\n  x: 1\n');
  assert.deepEqual(
    documents.map(({ value, index }) => [value, index]),
    [
      [{ kind: 'A' }, 0],
      [{ kind: 'B', x: 1 }, 1],
    ],
  );
  assert.deepEqual(documents[1].locate(['x']), { line: 6, column: 6 });
});

test('texts that try to exhaust the reader are refused', () => {
  const laughs = ['a: &a [x,x,x,x,x,x,x,x,x,x]'];
  for (const [name, last] of ['ba', 'cb', 'dc', 'ed']) laughs.push(`${name}: &${name} [${Array(10).fill(`*${last}`).join(',')}]`);
  for (const text of [laughs.join('\n'), `a: ${'['.repeat(5000)}`, '['.repeat(200) + ']'.repeat(200), `${'- '.repeat(3000)}x`]) {
    const { documents, diagnostics } = parseText('a.yaml', text);
    assert.deepEqual(documents, []);
    assert.equal(diagnostics[0].code, 'WR0101');
  }
  assert.match(parseText('a.json', '['.repeat(100_000)).diagnostics[0].message, /nested more than 100/);
});

test('a merge key takes over what is not overridden; __proto__ is a name like any other', () => {
  const { documents } = parseText('a.yaml', 'x: &x {p: 1, q: 1}\ny: {<<: *x, q: 2}\n__proto__: {z: 1}\n');
  assert.deepEqual(documents[0].value, JSON.parse('{"x": {"p": 1, "q": 1}, "y": {"p": 1, "q": 2}, "__proto__": {"z": 1}}'));
});

test('JSON behind another name and YAML that starts with a brace are told apart', () => {
  assert.deepEqual(parseText('-', '{"a": 1}').documents[0].value, { a: 1 });
  assert.deepEqual(parseText('-', '{a: 1}').documents[0].value, { a: 1 });
  assert.deepEqual(parseText('empty.json', ' \n'), { documents: [], damaged: [], diagnostics: [] });
});
