import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RedirectAction } from '../model/route.ts';
import { redirectLocation } from './redirect.ts';
import type { RequestView } from './request.ts';

const base: RequestView = {
  method: 'GET',
  scheme: 'http',
  authority: 'a.test:8080',
  host: 'a.test',
  authorityPort: 8080,
  path: '/a/b',
  query: 'q=1',
  headers: { get: () => null, lines: () => [] },
  localPort: 8081,
  sni: null,
  remoteAddress: '192.0.2.1',
  caller: null,
};

const cases: readonly {
  readonly name: string;
  readonly action: Omit<RedirectAction, 'kind' | 'status'>;
  readonly view?: Partial<RequestView>;
  readonly location: string;
}[] = [
  { name: 'nothing said keeps everything', action: {}, location: 'http://a.test:8080/a/b?q=1' },
  { name: 'a new scheme keeps a port of its own', action: { scheme: 'https' }, location: 'https://a.test:8080/a/b?q=1' },
  {
    name: 'a new scheme drops the old default port',
    action: { scheme: 'https' },
    view: { authorityPort: 80 },
    location: 'https://a.test/a/b?q=1',
  },
  { name: 'a new host comes without the old port', action: { host: 'b.test' }, location: 'http://b.test/a/b?q=1' },
  { name: 'an explicit port', action: { port: 8443, scheme: 'https' }, location: 'https://a.test:8443/a/b?q=1' },
  { name: 'an explicit port that is the default is omitted', action: { port: 443, scheme: 'https' }, location: 'https://a.test/a/b?q=1' },
  { name: '80 is written for https', action: { port: 80, scheme: 'https' }, location: 'https://a.test:80/a/b?q=1' },
  { name: 'default port of the scheme', action: { port: 'scheme-default', scheme: 'https' }, location: 'https://a.test/a/b?q=1' },
  { name: 'port of the request', action: { port: 'request', scheme: 'https' }, location: 'https://a.test:8080/a/b?q=1' },
  { name: 'port of the listener', action: { port: 'listener' }, location: 'http://a.test:8081/a/b?q=1' },
  { name: 'port 80 of the listener is omitted', action: { port: 'listener' }, view: { localPort: 80 }, location: 'http://a.test/a/b?q=1' },
  { name: 'a new path keeps the query', action: { path: { kind: 'full', path: '/n' } }, location: 'http://a.test:8080/n?q=1' },
  { name: 'a new path with its own query', action: { path: { kind: 'full', path: '/n?x=2' } }, location: 'http://a.test:8080/n?x=2' },
  { name: 'the matched prefix', action: { path: { kind: 'path-prefix', replacement: '/n' } }, location: 'http://a.test:8080/n/b?q=1' },
  { name: 'query stripped', action: { stripQuery: true }, location: 'http://a.test:8080/a/b' },
  { name: 'asterisk form', action: { scheme: 'https' }, view: { path: '*', query: '' }, location: 'https://a.test:8080/' },
];
for (const row of cases) {
  test(`redirect: ${row.name}`, () => {
    const action: RedirectAction = { kind: 'redirect', status: 302, ...row.action };
    const view = { ...base, ...row.view };
    assert.equal(redirectLocation(action, view, 2, view.localPort), row.location);
  });
}
