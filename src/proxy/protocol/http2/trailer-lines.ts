import { Trailers } from '../http1/trailers.ts';

const maxTrailers = 64;

/**
 * A request's trailer section, read by the rules that hold for trailers of HTTP/1.1. Null: it cannot be sent on.
 *
 * @param fields name, value, name, value …
 * @param maxBytes as HTTP/1.1 writes it
 */
export function readTrailers(fields: readonly string[], maxBytes: number): Trailers | null {
  let text = '';
  for (let i = 0; i + 1 < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
  const bytes = Buffer.from(`${text}\r\n`, 'latin1');
  if (bytes.length > maxBytes) return null;
  const trailers = new Trailers(maxTrailers, maxBytes);
  trailers.reset();
  const used = trailers.parse(bytes, bytes.length);
  return used === bytes.length && trailers.count === fields.length / 2 ? trailers : null;
}
