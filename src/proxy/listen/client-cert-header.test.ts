import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { PeerCertificate, PeerTls } from './client.ts';
import { clientCertHeader, principalOf } from './client-cert-header.ts';

const certificate: PeerCertificate = {
  verified: true,
  subject: 'CN=web,O=Weir',
  issuer: 'CN=ca',
  serial: '01',
  fingerprint256: 'ab12',
  uriSans: ['spiffe://mesh/web'],
  dnsSans: ['web.test'],
  raw: Buffer.from('certificate'),
};
const tls: PeerTls = {
  version: 'TLSv1.3',
  cipher: 'c',
  serverName: '',
  alpn: '',
  sessionId: '',
  ownUri: '',
  certificate,
  servesName: () => true,
};

it('nothing is said of plain text, of no certificate and of one that was not verified', () => {
  assert.equal(clientCertHeader(null, true), null);
  assert.equal(clientCertHeader({ ...tls, certificate: null }, true), null);
  assert.equal(clientCertHeader({ ...tls, certificate: { ...certificate, verified: false } }, true), null);
});

it('elements in the order of Envoy', () => {
  assert.equal(clientCertHeader(tls, false), 'Hash=ab12;Subject="CN=web,O=Weir";URI=spiffe://mesh/web;DNS=web.test');
  assert.equal(
    clientCertHeader({ ...tls, ownUri: 'spiffe://mesh/gateway' }, true),
    'By=spiffe://mesh/gateway;Hash=ab12;Cert="-----BEGIN%20CERTIFICATE-----%0AY2VydGlmaWNhdGU%3D%0A-----END%20CERTIFICATE-----%0A";Subject="CN=web,O=Weir";URI=spiffe://mesh/web;DNS=web.test',
  );
});

it('names cannot break out of their element, or out of the header', () => {
  const bad = {
    ...certificate,
    subject: 'CN=a";URI=spiffe://admin\r\nX: y',
    uriSans: ['spiffe://x;URI=spiffe://admin', 'a,b', 'c"d', 'é\r\n'],
    dnsSans: [],
  };
  assert.equal(
    clientCertHeader({ ...tls, certificate: bad }, false),
    'Hash=ab12;Subject="CN=a\\";URI=spiffe://admin??X: y";URI="spiffe://x;URI=spiffe://admin";URI="a,b";URI="c\\"d";URI="???"',
  );
});

it('the principal is the first URI of a verified certificate, or its subject', () => {
  assert.equal(principalOf(tls), 'spiffe://mesh/web');
  assert.equal(principalOf({ certificate: { ...certificate, uriSans: [] } }), 'CN=web,O=Weir');
  assert.equal(principalOf({ certificate: { ...certificate, verified: false } }), '');
  assert.equal(principalOf(null), '');
});
