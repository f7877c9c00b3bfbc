import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { createSecureContext } from 'node:tls';
import { altNames } from '../../base/alt-names.ts';
import { devCertificate, devSubject } from './dev-certificate.ts';

const now = Date.UTC(2026, 10, 20);

describe('the development certificate', () => {
  const rows = [
    { host: 'localhost', dns: ['localhost', '*.localhost'], ip: ['127.0.0.1', '0:0:0:0:0:0:0:1'] },
    { host: 'api.example.test', dns: ['api.example.test'], ip: [] },
    { host: '*.example.test', dns: ['*.example.test'], ip: [] },
    { host: '192.0.2.9', dns: [], ip: ['192.0.2.9'] },
    { host: '2001:db8::9', dns: [], ip: ['2001:DB8:0:0:0:0:0:9'] },
    {
      host: `${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.test`,
      dns: [`${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.test`],
      ip: [],
    },
  ];
  for (const { host, dns, ip } of rows)
    it(`for ${host.slice(0, 20)}`, () => {
      const made = devCertificate(host, now);
      const certificate = new X509Certificate(made.certificate);
      assert.ok(certificate.subject.startsWith(`O=${devSubject}\n`), certificate.subject);
      assert.deepEqual({ dns: altNames(certificate).dns, ip: altNames(certificate).ip }, { dns, ip });
      assert.equal(certificate.ca, false);
      assert.ok(certificate.verify(certificate.publicKey), 'signed by itself');
      assert.ok(certificate.checkPrivateKey(createPrivateKey(made.privateKey)));
      assert.ok(certificate.validFromDate.getTime() < now);
      assert.equal(certificate.validToDate.getTime(), now + 30 * 24 * 3600 * 1000);
      createSecureContext({ cert: made.certificate, key: made.privateKey });
    });

  it('is another one each time, with years beyond 2049 too', () => {
    const [one, other] = [devCertificate('a.test', now), devCertificate('a.test', Date.UTC(2060, 0, 1))];
    assert.notEqual(new X509Certificate(one.certificate).serialNumber, new X509Certificate(other.certificate).serialNumber);
    assert.match(new X509Certificate(other.certificate).validTo, /2060/);
  });
});
