/** A self-signed certificate for trying things out, made anew at each start and kept in memory only. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import { ipBytes } from '../../base/ip-bytes.ts';

export interface DevCertificate {
  /** PEM */
  readonly certificate: string;
  readonly privateKey: string;
}

/** Stands in the certificate's subject, so that nobody takes it for anything else. */
export const devSubject = 'Weir development certificate';
const dayMs = 24 * 3600 * 1000;
const validDays = 30;

/** For a host name, a wildcard or an IP address; `localhost` gets the loopback addresses too. ECDSA P-256 (RFC 5280). `now`: ms since 1970. */
export function devCertificate(host: string, now: number): DevCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const hosts = host === 'localhost' ? ['localhost', '*.localhost', '127.0.0.1', '::1'] : [host];
  const name = sequence(attribute('2.5.4.10', devSubject), attribute('2.5.4.3', host.slice(0, 64)));
  const serial = randomBytes(16);
  // Positive and without leading zeros.
  serial[0] = (serial[0] & 0x7f) | 0x40;
  const body = sequence(
    tagged(0, true, integer(Buffer.from([2]))),
    integer(serial),
    ecdsaWithSha256,
    name,
    sequence(time(now - dayMs), time(now + validDays * dayMs)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(
      3,
      true,
      sequence(
        extension('2.5.29.19', true, sequence()),
        extension('2.5.29.15', true, element(0x03, Buffer.from([7, 0x80]))),
        extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'))),
        extension('2.5.29.17', false, sequence(...hosts.map(altName))),
      ),
    ),
  );
  const signature = sign('sha256', body, { key: privateKey, dsaEncoding: 'der' });
  const certificate = sequence(body, ecdsaWithSha256, bits(signature));
  return {
    certificate: pem(certificate),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

// DER (X.690 §8, §10): tag, length, contents.

function element(tag: number, contents: Buffer): Buffer {
  const { length } = contents;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), contents]);
  const head = length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), contents]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return element(0x30, Buffer.concat(parts));
}

function tagged(tag: number, isConstructed: boolean, contents: Buffer): Buffer {
  return element((isConstructed ? 0xa0 : 0x80) | tag, contents);
}

function integer(bytes: Buffer): Buffer {
  return element(0x02, bytes);
}

function bits(bytes: Buffer): Buffer {
  return element(0x03, Buffer.concat([Buffer.from([0]), bytes]));
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const number of rest) {
    const groups = [number & 0x7f];
    for (let left = number >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return element(0x06, Buffer.from(bytes));
}

function attribute(type: string, value: string): Buffer {
  return element(0x31, sequence(oid(type), element(0x0c, Buffer.from(value, 'utf8'))));
}

/** UTCTime up to 2049, GeneralizedTime after (RFC 5280 §4.1.2.5). */
function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return Number(text.slice(0, 4)) < 2050 ? element(0x17, Buffer.from(text.slice(2), 'latin1')) : element(0x18, Buffer.from(text, 'latin1'));
}

function extension(type: string, isCritical: boolean, value: Buffer): Buffer {
  return sequence(oid(type), ...(isCritical ? [element(0x01, Buffer.from([0xff]))] : []), element(0x04, value));
}

function altName(host: string): Buffer {
  const address = isIP(host) === 0 ? null : ipBytes(host);
  return address === null ? tagged(2, false, Buffer.from(host, 'latin1')) : tagged(7, false, Buffer.from(address));
}

const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));
