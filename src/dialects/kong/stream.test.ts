import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ChainTable } from '../../decide/chain.ts';
import { compileSources, defaultOptions } from '../compile.ts';
import { load } from './fixture.ts';
import { priorityOf } from './stream.ts';

const pem = (name: string): string => readFileSync(join(import.meta.dirname, '..', '..', '..', 'tests', 'fixtures', 'tls', name), 'utf8');
const id = '1b2b8b1a-0a52-4d1c-8d0a-000000000001';
const document = (more: object): string => JSON.stringify({ _format_version: '3.0', ...more });
const certificate = (pair: string, ...names: readonly string[]): object => ({
  cert: pem(`${pair}.crt`),
  key: pem(`${pair}.key`),
  snis: names.map((name) => ({ name })),
});
const service = (...routes: readonly object[]): object => ({
  services: [{ name: 's', protocol: 'tcp', host: '127.0.0.1', port: 1, routes }],
});

interface At {
  readonly port: string;
  readonly sni?: string;
  readonly from?: string;
  readonly to?: string;
}

/** `route` that takes a connection, with `tls` and its secrets in front; `closed`. */
function taken(text: string, { port, sni, from = '192.0.2.1', to = '198.51.100.1' }: At): string {
  const { fragment } = load(text);
  const listener = fragment.listeners.find(({ name }) => name === `0.0.0.0:${port}`);
  if (listener === undefined) return 'not open';
  const chain = new ChainTable(listener.chains ?? [], false).choose({
    remoteAddress: from,
    remotePort: 40_000,
    localAddress: to,
    localPort: listener.port,
    begins: sni === undefined ? 'plain' : 'tls',
    serverName: sni ?? '',
  });
  if (chain === null || chain.forward?.blocked !== undefined) return 'closed';
  const tls = chain.tls === null ? '' : `tls ${chain.tls.certificates.map((name) => name.split('//').at(-1)).join('+')} `;
  return `${tls}${chain.forward?.route ?? 'http'}`;
}

const certificates = {
  certificates: [
    { ...certificate('server', 'a.example.com', '*.example.com'), id },
    { ...certificate('other', 'b.example.com', 'b.*'), id: id.replace(/1$/, '2') },
    { ...certificate('client', '*.broken.example'), id: id.replace(/1$/, '3'), key: 'no key' },
  ],
};

const shown: readonly (readonly [sni: string, certificate: string])[] = [
  ['a.example.com', `tls ${id} http`],
  ['c.example.com', `tls ${id} http`],
  ['b.example.com', `tls ${id.replace(/1$/, '2')} http`],
  ['b.example.org', `tls ${id.replace(/1$/, '2')} http`],
  ['x.org', 'tls development/localhost http'],
  ['', 'tls development/localhost http'],
  // A certificate that is broken leaves its names to nobody else.
  ['x.broken.example', 'closed'],
];
for (const [sni, expected] of shown)
  test(`8443: ${sni === '' ? 'no name' : sni} is shown ${expected}`, () =>
    assert.equal(taken(document(certificates), { port: '8443', sni }), expected));

test('8443: a certificate for every name takes the place of the development certificate', () => {
  const text = document({ certificates: [{ ...certificate('server', '*'), id }] });
  assert.equal(taken(text, { port: '8443', sni: 'x.org' }), `tls ${id} http`);
  assert.deepEqual(
    load(text).fragment.secrets?.map(({ name }) => name),
    [`kong/Certificate//${id}`],
  );
});

test('RSA and ECDSA of one certificate are both shown', () => {
  const both = { ...certificate('server', 'a.example.com'), id, cert_alt: pem('rsa.crt'), key_alt: pem('rsa.key') };
  assert.equal(taken(document({ certificates: [both] }), { port: '8443', sni: 'a.example.com' }), `tls ${id}+${id}#alt http`);
});

test('stream routes: sources, addresses and ports, the most precise first', () => {
  const text = document(
    service(
      { name: 'any', protocols: ['tcp'], destinations: [{ port: 9000 }, { port: 9001 }] },
      { name: 'net', protocols: ['tcp'], sources: [{ ip: '10.0.0.0/8' }], destinations: [{ port: 9000 }] },
      { name: 'host', protocols: ['tcp'], sources: [{ ip: '10.0.0.1' }], destinations: [{ port: 9000 }] },
      { name: 'here', protocols: ['tcp'], destinations: [{ ip: '198.51.100.7', port: 9000 }] },
      { name: 'portless', protocols: ['tcp'], sources: [{ ip: '203.0.113.0/24' }] },
    ),
  );
  const at = (from?: string, to?: string, port = '9000'): string =>
    taken(text, { port, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) });
  assert.equal(at(), 'any');
  assert.equal(at('10.1.1.1'), 'net');
  assert.equal(at('10.0.0.1'), 'host');
  assert.equal(at('192.0.2.1', '198.51.100.7'), 'here');
  assert.equal(at('203.0.113.9'), 'portless');
  assert.equal(at('203.0.113.9', undefined, '9001'), 'portless');
  assert.equal(at('10.0.0.1', undefined, '9001'), 'any');
  assert.equal(at(undefined, undefined, '9002'), 'not open');
});

test('tcp and tls on one port, tls_passthrough beside them, udp on the same number', () => {
  const text = document({
    ...certificates,
    ...service(
      { name: 'both', protocols: ['tcp', 'tls', 'udp'], destinations: [{ port: 9000 }] },
      { name: 'passes', protocols: ['tls_passthrough'], snis: ['p.example.org'], destinations: [{ port: 9000 }] },
    ),
  });
  assert.equal(taken(text, { port: '9000' }), 'both');
  assert.equal(taken(text, { port: '9000', sni: 'a.example.com' }), `tls ${id} both`);
  assert.equal(taken(text, { port: '9000', sni: 'p.example.org' }), 'passes');
  assert.equal(taken(text, { port: '9000', sni: 'x.broken.example' }), 'closed');
  assert.equal(taken(text, { port: '9000/udp' }), 'both');
});

test('plugins for connections close the routes of their scope, others do not', () => {
  const routes = service(
    { name: 'one', protocols: ['tcp'], destinations: [{ port: 9000 }] },
    { name: 'two', protocols: ['tcp'], destinations: [{ port: 9001 }] },
  );
  const open = (plugin: object): readonly string[] => {
    const text = document({ ...routes, plugins: [plugin] });
    return [taken(text, { port: '9000' }), taken(text, { port: '9001' })];
  };
  assert.deepEqual(open({ name: 'ip-restriction', config: { allow: ['10.0.0.1'] } }), ['closed', 'closed']);
  assert.deepEqual(open({ name: 'ip-restriction', route: 'one', config: { allow: ['10.0.0.1'] } }), ['closed', 'two']);
  assert.deepEqual(open({ name: 'ip-restriction', route: 'one', config: { allow: 'x' } }), ['closed', 'two']);
  assert.deepEqual(open({ name: 'my-own', route: 'two' }), ['one', 'closed']);
  assert.deepEqual(open({ name: 'ip-restriction', protocols: ['http'], config: { allow: ['10.0.0.1'] } }), ['one', 'two']);
  assert.deepEqual(open({ name: 'key-auth' }), ['one', 'two']);
  assert.deepEqual(open({ name: 'tcp-log', protocols: ['tcp'], config: { host: 'l', port: 1 } }), ['one', 'two']);
});

test('the priority of stream routes is that of Kong', () => {
  const ip = [{ ip: '10.0.0.1' }];
  const port = [{ port: 1 }];
  const net = [{ ip: '10.0.0.0/8' }];
  assert.equal(priorityOf({ snis: ['a'] }), 1n << 61n);
  assert.equal(priorityOf({ sources: ip, destinations: port }), (1n << 61n) | 0x84n);
  assert.equal(priorityOf({ sources: net }), 0x10n);
  assert.equal(priorityOf({ destinations: [...ip, ...port, ...net] }), 0xdn);
});

test('a certificate that breaks keeps its last good version', async () => {
  const sound = document({ certificates: [{ ...certificate('server', 'a.example.com'), id }] });
  const compile = (text: string, memory: Parameters<typeof compileSources>[2]) =>
    compileSources([{ file: 'k.json', text }], defaultOptions, memory);
  const first = await compile(sound, null);
  const second = await compile(sound.replace('BEGIN PRIVATE KEY', 'BEGIN PRIVATE'), first.memory);
  const key = (snapshot: typeof first.snapshot): string | null | undefined =>
    snapshot.secrets?.find(({ name }) => name === `kong/Certificate//${id}`)?.privateKey;
  assert.equal(key(second.snapshot), pem('server.key'));
  assert.ok(second.diagnostics.some(({ code }) => code === 'WR0331'));
  assert.ok(second.diagnostics.every(({ message, hint }) => !`${message}${hint}`.includes(pem('server.key').slice(40, 80))));
});
