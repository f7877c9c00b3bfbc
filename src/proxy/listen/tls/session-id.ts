/**
 * Session id of an ASN.1 session as Node gives it: SEQUENCE { version, SSL version, cipher, id, … }. Hex; '' when there is none or it
 * cannot be read.
 */
export function sessionIdOf(session: Buffer | undefined): string {
  if (session === undefined || session[0] !== 0x30) return '';
  let at = contentAt(session, 0);
  for (let skipped = 0; skipped < 3; skipped++) at = contentAt(session, at) + lengthAt(session, at);
  if (session[at] !== 0x04) return '';
  const from = contentAt(session, at);
  return session.toString('hex', from, from + lengthAt(session, at));
}

function contentAt(der: Buffer, at: number): number {
  return at + 2 + (der[at + 1] < 0x80 ? 0 : der[at + 1] & 0x7f);
}

function lengthAt(der: Buffer, at: number): number {
  const first = der[at + 1];
  if (first < 0x80) return first;
  let length = 0;
  for (let i = 0; i < (first & 0x7f); i++) length = length * 256 + der[at + 2 + i];
  return length;
}
