import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdminRequest } from './guard.ts';
import { refusal } from './guard.ts';

const plain: AdminRequest = {
  method: 'GET',
  path: '/',
  host: '127.0.0.1:9901',
  origin: undefined,
  secFetchSite: undefined,
  authorization: undefined,
};
const post: AdminRequest = { ...plain, method: 'POST', path: '/quitquitquit' };
const basic = (password: string): string => `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`;

const local = { address: '127.0.0.1', token: null };
const open = { address: '0.0.0.0', token: 's3cret' };

const rows: readonly (readonly [
  name: string,
  request: Partial<AdminRequest>,
  options: typeof open | typeof local,
  status: number | null,
])[] = [
  ['loopback address', {}, local, null],
  ['localhost', { host: 'localhost:9901' }, local, null],
  ['IPv6 loopback', { host: '[::1]:9901' }, local, null],
  ['a name rebound to 127.0.0.1', { host: 'evil.example:9901' }, local, 403],
  ['a name that ends in an address', { host: '127.0.0.1.evil.example' }, local, 403],
  ['another address of the machine, on a loopback socket', { host: '10.0.0.5:9901' }, local, 403],
  ['no Host', { host: undefined }, local, 400],
  ['Host with user information', { host: 'user@127.0.0.1' }, local, 400],
  ['an empty Host', { host: '' }, local, 400],
  ['post of the page itself', { ...post, origin: 'http://127.0.0.1:9901', secFetchSite: 'same-origin' }, local, null],
  ['post by curl', post, local, null],
  ['post of another origin', { ...post, origin: 'http://evil.example' }, local, 403],
  ['post of a sandboxed page', { ...post, origin: 'null' }, local, 403],
  ['post of another port of this machine', { ...post, origin: 'http://127.0.0.1:3000' }, local, 403],
  ['cross-site form post of a browser that sends no Origin', { ...post, secFetchSite: 'cross-site' }, local, 403],
  ['same-site is not same-origin', { ...post, secFetchSite: 'same-site' }, local, 403],
  ['reading from another origin', { origin: 'http://evil.example' }, local, 403],
  ['open address without token', { host: '10.0.0.5:9901' }, open, 401],
  ['open address, probe without token', { host: '10.0.0.5:9901', path: '/readyz' }, open, null],
  ['open address, post without token', { ...post, host: '10.0.0.5:9901' }, open, 401],
  ['open address, wrong token', { host: '10.0.0.5:9901', authorization: 'Bearer nope' }, open, 401],
  ['open address, prefix of the token', { host: '10.0.0.5:9901', authorization: 'Bearer s3cre' }, open, 401],
  ['open address, token', { host: '10.0.0.5:9901', authorization: 'Bearer s3cret' }, open, null],
  ['open address, token as password of a browser', { host: '10.0.0.5:9901', authorization: basic('s3cret') }, open, null],
  ['open address, wrong password', { host: '10.0.0.5:9901', authorization: basic('x') }, open, 401],
  ['open address by name, with the token', { host: 'gateway.example', authorization: 'Bearer s3cret' }, open, null],
  ['open address by name, without', { host: 'gateway.example' }, open, 403],
  ['open address called loopback, without token', { host: '127.0.0.1:9901' }, open, 401],
  ['loopback with a token of its own', {}, { address: '127.0.0.1', token: 't' }, 401],
];

for (const [name, request, options, status] of rows) {
  test(`admin guard: ${name} → ${status ?? 'passes'}`, () => {
    assert.equal(refusal({ ...plain, ...request }, options)?.status ?? null, status);
  });
}
