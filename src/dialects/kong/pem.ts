/** Checks of the PEM texts in Kong's certificates and CA certificates; no message shows a byte of a key. */
import { X509Certificate } from 'node:crypto';
import { diagnose, type MessageCode } from '../../analysis/messages.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { examine, type PemTexts } from '../certificates.ts';
import { fieldName } from '../check.ts';
import type { ReferencePlace } from './references.ts';

type Fields = Readonly<Record<string, unknown>>;

/** `fields` have passed their schema; `now` in ms since 1970. */
export function certificateProblems(kind: string, fields: Fields, at: ReferencePlace, now: number): readonly Diagnostic[] {
  if (kind === 'Certificate') return pairProblems(fields, at, now);
  return kind === 'CACertificate' ? authorityProblems(fields, at, now) : [];
}

function pairProblems(fields: Fields, at: ReferencePlace, now: number): readonly Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  for (const suffix of ['', '_alt']) {
    const [cert, key] = [`cert${suffix}`, `key${suffix}`];
    const texts: PemTexts = { certificate: textOf(fields[cert]), privateKey: textOf(fields[key]), ca: null, crl: null };
    if (texts.certificate === null && texts.privateKey === null) continue;
    diagnostics.push(...told(texts, { certificate: cert, privateKey: key }, at, now));
  }
  const kinds = ['cert', 'cert_alt'].map((name) => keyKind(textOf(fields[name])));
  if (kinds[0] !== null && kinds[0] === kinds[1])
    diagnostics.push(problem('WR0402', at, 'cert_alt', 'has the same kind of key as cert', 'let one be RSA and the other ECDSA'));
  return diagnostics;
}

function authorityProblems(fields: Fields, at: ReferencePlace, now: number): readonly Diagnostic[] {
  const text = textOf(fields.cert);
  const found = told({ certificate: null, privateKey: null, ca: text, crl: null }, { ca: 'cert' }, at, now);
  if (text === null || found.some(({ severity }) => severity === 'error')) return found;
  if ((text.match(/-----BEGIN [A-Z ]*CERTIFICATE-----/g)?.length ?? 0) > 1)
    return [
      ...found,
      problem('WR0402', at, 'cert', 'holds more than one certificate', 'make each an entity of its own, with an id of its own'),
    ];
  if (!new X509Certificate(text).ca)
    return [
      ...found,
      problem('WR0402', at, 'cert', 'is not the certificate of an authority (CA:TRUE is missing)', 'write the one that signed it'),
    ];
  return found;
}

function told(texts: PemTexts, names: Partial<Record<keyof PemTexts, string>>, at: ReferencePlace, now: number): readonly Diagnostic[] {
  return examine(texts, now).map(({ part, severity, message, hint }) =>
    problem(severity === 'error' ? 'WR0331' : 'WR0332', at, names[part] ?? part, message, hint),
  );
}

function problem(code: MessageCode, at: ReferencePlace, field: string, message: string, hint: string): Diagnostic {
  const path = [...at.path, field];
  const place = { file: at.document.file, ...at.document.locate(path) };
  return diagnose(code, place, at.resource, `${fieldName(path)} ${message}`, { hint });
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function keyKind(certificate: string | null): string | null {
  if (certificate === null) return null;
  try {
    return new X509Certificate(certificate).publicKey.asymmetricKeyType ?? null;
  } catch {
    return null;
  }
}
