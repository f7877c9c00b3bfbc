import { err, ok, type Result } from '../../base/result.ts';
import type { ExplainRequest } from './types.ts';

/** A URL as written: no part of it is decoded or normalised, that is the canonicaliser's work. */
export interface PlainUrl {
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  /** Port of the authority or of the scheme. */
  readonly port: number;
  /** Request target in origin form. */
  readonly target: string;
}

/** A connection without HTTP in it. */
export interface Layer4Url {
  readonly scheme: 'tcp' | 'tls' | 'udp';
  readonly authority: string;
  readonly port: number;
}

/** `tcp://host:port`, `tls://host[:port]` (443), `udp://host:port`; null: another scheme. */
export function splitLayer4Url(url: string): Result<Layer4Url, string> | null {
  const parts = /^(tcp|tls|udp):\/\/([^/?#\s]*)(.*)$/is.exec(url);
  if (parts === null) return null;
  const [, schemeText = '', authority = '', rest = ''] = parts;
  const lower = schemeText.toLowerCase();
  const scheme = lower === 'tls' || lower === 'udp' ? lower : 'tcp';
  const named = /^(\[[^\]]+\]|[^:@[\]]+)(?::(\d{1,5}))?$/.exec(authority);
  if (named === null || (rest !== '' && rest !== '/')) return err(`'${url}' is not of the form ${scheme}://host:port`);
  const port = named[2] === undefined ? (scheme === 'tls' ? 443 : 0) : Number(named[2]);
  if (port === 0 && named[2] === undefined) return err(`'${url}' names no port; write ${scheme}://${authority}:PORT`);
  if (port < 1 || port > 65_535) return err(`port ${port} is out of range`);
  return ok({ scheme, authority, port });
}

export function splitUrl(url: string): Result<PlainUrl, string> {
  const parts = /^(https?):\/\/([^/?#\s]+)([^#]*)/i.exec(url);
  if (parts === null) return err(`'${url}' is not an http or https URL with a host`);
  const [, schemeText = '', authority = '', rest = ''] = parts;
  const scheme = schemeText.toLowerCase() === 'https' ? 'https' : 'http';
  if (authority.includes('@')) return err('user information in a URL is not sent in requests');
  const named = /:(\d{1,5})$/.exec(authority);
  const port = named === null ? (scheme === 'https' ? 443 : 80) : Number(named[1]);
  if (port < 1 || port > 65_535) return err(`port ${port} is out of range`);
  return ok({ scheme, authority, port, target: rest === '' ? '/' : rest.startsWith('/') || rest === '*' ? rest : `/${rest}` });
}

/** The bytes that a client would send. `OPTIONS *` is written with the URL's path `/*` as `*`. */
export function requestBytes(request: ExplainRequest, url: PlainUrl): Result<Buffer, string> {
  const lines = request.headers.some(([name]) => name.toLowerCase() === 'host') ? [] : [`host: ${url.authority}`];
  for (const [name, value] of request.headers) lines.push(`${name}: ${value}`);
  if ((request.bodyBytes ?? 0) > 0 && !request.headers.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name))) {
    lines.push(`content-length: ${request.bodyBytes}`);
  }
  // A line break in an argument would be one header too many, and another question than the one asked.
  if (lines.some((line) => /[\r\n]/.test(line))) return err('a header contains a line break');
  const target = request.method === 'OPTIONS' && url.target === '/*' ? '*' : url.target;
  if (/[\r\n]/.test(target) || /[\r\n]/.test(request.method)) return err('the request line contains a line break');
  return ok(Buffer.from(`${request.method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'utf8'));
}
