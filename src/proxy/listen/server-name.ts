import { LOWER } from '../protocol/http1/tables.ts';

const MAX_NAME_BYTES = 255;
const DOT = 46;

/**
 * A host name as clients send it in SNI (RFC 6066 §3): letters, digits, `-`, `_` and dots, no empty label, none over 63 bytes. In lower
 * case, without a trailing dot; '' when it is none.
 */
export function serverName(buf: Buffer, from: number, to: number): string {
  const end = to > from && buf[to - 1] === DOT ? to - 1 : to;
  if (end - from < 1 || end - from > MAX_NAME_BYTES) return '';
  let label = 0;
  for (let i = from; i < end; i++) {
    const b = LOWER[buf[i]];
    if (b === DOT) {
      if (label === 0) return '';
      label = 0;
      continue;
    }
    const isName = (b >= 0x61 && b <= 0x7a) || (b >= 0x30 && b <= 0x39) || b === 0x2d || b === 0x5f;
    if (!isName || ++label > 63) return '';
  }
  return label === 0 ? '' : buf.latin1Slice(from, end).toLowerCase();
}
