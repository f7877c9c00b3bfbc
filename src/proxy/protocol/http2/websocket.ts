import { createHash, randomBytes } from 'node:crypto';
import type { Handshake } from './request-lines.ts';

/** RFC 6455 §1.3 */
const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** What a client of RFC 6455 sends, for one of RFC 8441 that does not. */
export function webSocketHandshake(): Handshake {
  const key = randomBytes(16).toString('base64');
  return {
    key,
    accept: createHash('sha1')
      .update(key + guid)
      .digest('base64'),
  };
}

/** An extended CONNECT (RFC 8441 §4). `fields`: name, value, name, value …, pseudo-headers first. */
export function isExtendedConnect(fields: readonly string[]): boolean {
  for (let i = 0; i < fields.length && fields[i].charCodeAt(0) === 0x3a; i += 2) if (fields[i] === ':protocol') return true;
  return false;
}
