const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Whether `buf[start, end)` is the beginning of HTTP/2 without ALPN (RFC 9113 §3.4): all 24 bytes of it, some so far, or something else. */
export function beginsHttp2(buf: Buffer, start: number, end: number): 'yes' | 'more' | 'no' {
  const length = Math.min(end - start, preface.length);
  for (let i = 0; i < length; i++) if (buf[start + i] !== preface[i]) return 'no';
  return length === preface.length ? 'yes' : 'more';
}
