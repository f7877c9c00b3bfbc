import assert from 'node:assert/strict';
import { test } from 'node:test';
import { caConfigMap, pem, tlsSecret } from '../../../tests/support/pem.ts';
import { Pki } from '../../../tests/support/pki.ts';
import { compileSources, defaultOptions, type LastGood } from '../compile.ts';
import type { Resource } from '../dialect.ts';
import { parseText } from '../text.ts';
import { kubernetes, secretsIndex, type SecretLookup } from './index.ts';

function read(text: string): readonly Resource[] {
  return parseText('x.yaml', text).documents.flatMap((document) => (kubernetes.recognises(document) ? kubernetes.read(document) : []));
}

/** A Secret of plain texts. */
function secret(texts: Readonly<Record<string, string>>, type = 'Opaque', name = 's'): string {
  return `---\n${JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'ns' }, type, stringData: texts })}\n`;
}

function told(text: string): readonly string[] {
  return read(text).flatMap(({ diagnostics }) => diagnostics.map(({ code, severity, message }) => `${code} ${severity} ${message}`));
}

const tls = 'kubernetes.io/tls';
const [crt, key, ca] = [pem('server.crt'), pem('server.key'), pem('ca.crt')];

const rows: readonly { readonly name: string; readonly text: string; readonly told: readonly string[] }[] = [
  { name: 'a pair of Kubernetes', text: tlsSecret('ns', 's', 'server'), told: [] },
  { name: 'a pair of Istio with authorities', text: secret({ cert: crt, key, cacert: ca }), told: [] },
  { name: 'authorities alone', text: secret({ 'ca.crt': ca }), told: [] },
  { name: 'an empty ca.crt, as cert-manager writes it', text: secret({ 'tls.crt': crt, 'tls.key': key, 'ca.crt': '' }, tls), told: [] },
  {
    name: 'other uses may hold anything',
    text: secret({ cert: 'x', password: 'y' }) + secret({ 'tls.key': 'x' }, 'example.com/other', 't'),
    told: [],
  },
  {
    name: 'text that is no PEM',
    text: secret({ 'tls.crt': 'certificate', 'tls.key': key }, tls),
    told: ['WR0331 error tls.crt is no PEM text'],
  },
  {
    name: 'a certificate that is cut off',
    text: secret({ 'tls.crt': crt.slice(0, 300), 'tls.key': key }, tls),
    told: ['WR0331 error tls.crt is cut off: its text has no end'],
  },
  {
    name: 'a certificate with a byte that is none',
    text: secret({ 'tls.crt': crt.replace(/\n(....)/, '\n!!!!'), 'tls.key': key }, tls),
    told: ['WR0331 error tls.crt cannot be read'],
  },
  {
    name: "another certificate's key",
    text: secret({ 'tls.crt': crt, 'tls.key': pem('other.key') }, tls),
    told: ['WR0331 error tls.key does not belong to the certificate'],
  },
  {
    name: 'the chain in the wrong order',
    text: secret({ 'tls.crt': ca + crt, 'tls.key': key }, tls),
    told: ["WR0331 error tls.crt begins with another certificate than the key's, which is number 2"],
  },
  {
    name: 'the two exchanged',
    text: secret({ 'tls.crt': key, 'tls.key': crt }, tls),
    told: ['WR0331 error tls.crt holds a private key and no certificate', 'WR0331 error tls.key holds a certificate and no key'],
  },
  {
    name: 'a pair without its key',
    text: secret({ 'tls.crt': crt }),
    told: ['WR0331 error tls.key is missing'],
  },
  {
    name: 'a list of revocations that is none',
    text: secret({ cacert: ca, crl: 'x' }),
    told: ['WR0331 error crl holds no revocation list'],
  },
  {
    name: 'a name that Kubernetes does not take',
    text: secret({ password: 'x' }, 'Opaque', 'My Secret'),
    told: ['WR0105 error metadata.name is no name of Kubernetes'],
  },
  {
    name: 'data that is not base64',
    text: `---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: ${tls}\ndata:\n  tls.crt: "-----BEGIN"\n  tls.key: YQ==\n`,
    told: ['WR0105 error data["tls.crt"] is not base64'],
  },
];

for (const row of rows) test(`Secret: ${row.name}`, () => assert.deepEqual(told(row.text), row.told));

test('Secret: keys that are encrypted, too short, and certificates past their end', (t) => {
  const pki = new Pki(t);
  const encrypted = '-----BEGIN ENCRYPTED PRIVATE KEY-----\nYQ==\n-----END ENCRYPTED PRIVATE KEY-----\n';
  assert.deepEqual(told(secret({ 'tls.crt': crt, 'tls.key': encrypted }, tls)), ['WR0331 error tls.key is encrypted']);
  const old = pki.issue({ names: ['DNS:a.test'], days: -1 });
  const [message, ...more] = told(secret({ 'tls.crt': old.certificate, 'tls.key': old.privateKey }, tls));
  assert.match(message, /^WR0332 warning tls.crt is expired since \d{4}-/);
  assert.deepEqual(more, []);
});

test('Secret: the place of a problem is its key', () => {
  const text = `apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: ${tls}\nstringData:\n  tls.crt: x\n  tls.key: y\n`;
  assert.deepEqual(
    read(text)[0].diagnostics.map(({ line, column }) => `${line}:${column}`),
    ['6:3', '7:3'],
  );
});

function show(found: SecretLookup): string {
  if (!found.ok) return `${found.reason}: ${found.message}`;
  const { name, certificate, privateKey, ca: authorities, crl } = found.secret;
  const parts = { certificate, privateKey, ca: authorities, crl };
  return `${name} ${Object.entries(parts)
    .flatMap(([part, text]) => (text ? part : []))
    .join(' ')}`;
}

test('secretsIndex finds pairs and authorities, each without the other', () => {
  const index = secretsIndex(
    read(
      tlsSecret('ns', 'pair', 'server') +
        secret({ cert: crt, key, cacert: ca }, 'Opaque', 'generic') +
        secret({ 'tls.crt': crt, 'tls.key': pem('other.key') }, tls, 'broken') +
        caConfigMap('ns', 'map') +
        '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad, namespace: ns}\ndata: {ca.crt: x}\n',
    ),
  );
  assert.equal(show(index.keyPair('ns', 'pair')), 'kubernetes/Secret/ns/pair certificate privateKey');
  assert.equal(show(index.keyPair('ns', 'generic')), 'kubernetes/Secret/ns/generic certificate privateKey');
  assert.equal(show(index.authorities('Secret', 'ns', 'generic')), 'kubernetes/Secret/ns/generic#ca ca');
  assert.equal(show(index.authorities('ConfigMap', 'ns', 'map')), 'kubernetes/ConfigMap/ns/map#ca ca');
  assert.equal(show(index.authorities('Secret', 'ns', 'pair')), "invalid: Secret 'ns/pair' holds no authorities (ca.crt, or cacert)");
  assert.equal(show(index.authorities('ConfigMap', 'ns', 'bad')), "invalid: ca.crt of ConfigMap 'ns/bad' is no PEM text");
  assert.equal(show(index.keyPair('ns', 'broken')), "invalid: Secret 'ns/broken' has errors");
  assert.equal(show(index.keyPair('other', 'pair')), "missing: there is no Secret 'other/pair'");
});

test('a renewal that is broken leaves the last good certificate in force', async () => {
  const gateway =
    'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: ns}\nspec:\n  servers:\n  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: s}}\n';
  const compile = async (text: string, memory: LastGood | null) =>
    await compileSources(
      [
        { file: 'a.yaml', text: gateway },
        { file: 's.yaml', text },
      ],
      defaultOptions,
      memory,
    );
  const first = await compile(tlsSecret('ns', 's', 'server'), null);
  const second = await compile(secret({ 'tls.crt': pem('other.crt'), 'tls.key': key }, tls), first.memory);
  assert.deepEqual(
    second.snapshot.secrets?.map(({ certificate }) => certificate),
    [crt],
  );
  assert.deepEqual(second.snapshot.listeners[0].chains?.[0].tls?.certificates, ['kubernetes/Secret/ns/s']);
  assert.ok(second.diagnostics.some(({ code, severity }) => code === 'WR0331' && severity === 'error'));
  assert.ok(second.snapshot.status.some(({ kind, quarantined }) => kind === 'Secret' && quarantined));
  const third = await compile(tlsSecret('ns', 's', 'other'), second.memory);
  assert.deepEqual(
    third.snapshot.secrets?.map(({ certificate }) => certificate),
    [pem('other.crt')],
  );
});

/** Any dozen characters of a key, as it stands and as base64 of its PEM text. */
const pieces = new Set<string>();
// Without the first and last line: those are of every key.
for (const text of [key.split('\n').slice(1, -2).join(''), Buffer.from(key).toString('base64').slice(64, -64)])
  for (let i = 0; i + 12 <= text.length; i++) pieces.add(text.slice(i, i + 12));

function leak(text: string): string | null {
  for (let i = 0; i + 12 <= text.length; i++) if (pieces.has(text.slice(i, i + 12))) return text.slice(Math.max(0, i - 60), i + 60);
  return null;
}

/** Slips that people make, at every line of a Secret. */
function* slips(base: string): Generator<string> {
  const lines = base.split('\n');
  for (const [i, line] of lines.entries()) {
    yield lines.toSpliced(i, 1).join('\n');
    yield lines.toSpliced(i, 0, line).join('\n');
    yield lines.slice(0, i).join('\n');
    const half = line.length >> 1;
    for (const slip of ['', ' ', '      ', '\t', '- ', 'x: ', '? ', '"', "'", '&', '*', '!', '%', '{', '[', ': ', '---'])
      for (const broken of [
        [slip + line.trim()],
        [slip + line],
        [line + slip],
        [line.slice(0, half) + slip + line.slice(half)],
        [line.slice(0, half), slip + line.slice(half)],
      ])
        yield lines.toSpliced(i, 1, ...broken).join('\n');
  }
}

test('no diagnostic and no status shows a piece of a key, whatever is wrong with the text', async () => {
  assert.notEqual(leak(`some ${key.split('\n')[1].slice(3, 20)} of it`), null, 'the check sees pieces');
  const indented = (text: string): string => text.trimEnd().replace(/^/gm, '    ');
  const plain = `apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: ${tls}\nstringData:\n  tls.crt: |\n${indented(crt)}\n  tls.key: |\n${indented(key)}\n`;
  const texts = [...slips(plain), ...slips(tlsSecret('ns', 's', 'server'))];
  const encoded = Buffer.from(key).toString('base64');
  for (const wrong of [
    { data: { 'tls.key': [encoded] } },
    { data: { [encoded]: 'x' } },
    { data: encoded },
    { stringData: key },
    { type: key },
    { [key]: 1 },
    { immutable: key },
    { data: { 'tls.key': key } },
  ])
    texts.push(JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, ...wrong }));
  for (const text of texts) {
    const { diagnostics, snapshot } = await compileSources([{ file: 'a.yaml', text }], defaultOptions, null);
    assert.equal(leak(JSON.stringify([diagnostics, snapshot.status])), null, text);
  }
});
