/**
 * A certificate that signs itself, for listeners that must show one and were given none (Kong's 8443). Its subject says what
 * it is. One for each process: revisions keep it, a restart makes another.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { Origin } from '../model/origin.ts';
import type { Secret } from '../model/tls.ts';

export interface DevelopmentCertificate {
  /** PEM */
  readonly certificate: string;
  readonly privateKey: string;
}

/** Organisation of subject and issuer: what browsers and `/certs` show. */
export const developmentOrganisation = 'Weir development certificate (trusted by nobody)';

const prefix = 'development/';

/** By the name of a secret. */
export function isDevelopmentSecret(name: string): boolean {
  return name.startsWith(prefix);
}

/** The certificate as a secret of the snapshot; its name tells what it is. */
export function developmentSecret(names: readonly string[], origin: Origin): Secret {
  return { name: `${prefix}${names.join()}`, ...developmentCertificate(names), ca: null, origin };
}

const made = new Map<string, DevelopmentCertificate>();

/** `names`: DNS names, the first also the common name; with `localhost` its addresses too. ECDSA P-256, valid for a year from the first call. */
export function developmentCertificate(names: readonly string[]): DevelopmentCertificate {
  const key = names.join();
  let known = made.get(key);
  if (known === undefined) made.set(key, (known = make(names, Date.now())));
  return known;
}

const day = 86_400_000;

/** RFC 5280 §4.1, in DER (X.690). */
function make(names: readonly string[], now: number): DevelopmentCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecdsaWithSha256 = sequence(oid(1, 2, 840, 10045, 4, 3, 2));
  const name = sequence(attribute([2, 5, 4, 10], developmentOrganisation), attribute([2, 5, 4, 3], names[0] ?? 'localhost'));
  const serial = randomBytes(16);
  // Positive, and without a leading zero.
  serial[0] = (serial[0] & 0x3f) | 0x40;
  const body = sequence(
    tagged(0xa0, integer(Buffer.of(2))),
    integer(serial),
    ecdsaWithSha256,
    name,
    sequence(time(now - day), time(now + 365 * day)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(
      0xa3,
      sequence(
        // basicConstraints: no authority. keyUsage: digitalSignature. extKeyUsage: serverAuth.
        extension([2, 5, 29, 19], sequence(), true),
        extension([2, 5, 29, 15], tagged(0x03, Buffer.of(7, 0x80)), true),
        extension([2, 5, 29, 37], sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 1))),
        extension([2, 5, 29, 17], sequence(...names.map((one) => tagged(0x82, Buffer.from(one, 'latin1'))), ...addressesOf(names))),
      ),
    ),
  );
  const certificate = sequence(body, ecdsaWithSha256, tagged(0x03, Buffer.concat([Buffer.of(0), sign('sha256', body, privateKey)])));
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64').replace(/.{64}(?!$)/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
}

/** Who tries it out here asks for the address as often as for the name, and gets 421 for what the certificate does not hold. */
function addressesOf(names: readonly string[]): readonly Buffer[] {
  if (!names.includes('localhost')) return [];
  return [tagged(0x87, Buffer.of(127, 0, 0, 1)), tagged(0x87, Buffer.concat([Buffer.alloc(15), Buffer.of(1)]))];
}

function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, ...parts);
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function oid(first: number, second: number, ...rest: readonly number[]): Buffer {
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tagged(0x06, Buffer.from(bytes));
}

function attribute([first, second, ...rest]: readonly [number, number, ...number[]], text: string): Buffer {
  return tagged(0x31, sequence(oid(first, second, ...rest), tagged(0x0c, Buffer.from(text, 'utf8'))));
}

/** UTCTime; good until 2049. */
function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return tagged(0x17, Buffer.from(`${text}Z`, 'latin1'));
}

function extension([first, second, ...rest]: readonly [number, number, ...number[]], value: Buffer, critical = false): Buffer {
  const flag = critical ? [tagged(0x01, Buffer.of(0xff))] : [];
  return sequence(oid(first, second, ...rest), ...flag, tagged(0x04, value));
}
