import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { examine } from './certificates.ts';
import { developmentCertificate, developmentOrganisation } from './development-certificate.ts';

test('it is a certificate that says what it is, for its names and no others', () => {
  const { certificate, privateKey } = developmentCertificate(['localhost', 'dev.example']);
  const read = new X509Certificate(certificate);
  assert.deepEqual(read.subject.split('\n').toSorted(), ['CN=localhost', `O=${developmentOrganisation}`].toSorted());
  assert.equal(read.issuer, read.subject);
  assert.equal(read.subjectAltName, 'DNS:localhost, DNS:dev.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1');
  assert.equal(read.ca, false);
  assert.deepEqual(read.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  assert.ok(read.verify(read.publicKey), 'it signed itself');
  assert.ok(read.checkPrivateKey(createPrivateKey(privateKey)));
  assert.equal(read.checkHost('dev.example'), 'dev.example');
  assert.equal(read.checkHost('other.example'), undefined);
  assert.equal(new X509Certificate(developmentCertificate(['dev.example']).certificate).subjectAltName, 'DNS:dev.example');
  assert.deepEqual(examine({ certificate, privateKey, ca: null, crl: null }, Date.now()), []);
});

test('a process has one for the same names', () => {
  assert.equal(developmentCertificate(['a']), developmentCertificate(['a']));
  assert.notEqual(developmentCertificate(['a']).certificate, developmentCertificate(['b']).certificate);
});
