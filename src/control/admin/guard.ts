import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';

/** What the guard looks at. */
export interface AdminRequest {
  readonly method: string;
  /** Path without query. */
  readonly path: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly secFetchSite: string | undefined;
  readonly authorization: string | undefined;
}

export interface GuardOptions {
  /** Address the admin server is bound to. */
  readonly address: string;
  /** Asked of every request but probes; null: none, which only a loopback address allows. */
  readonly token: string | null;
}

export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Probes of an orchestrator cannot show a token; they tell nothing but life. */
const probes: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/ready']);

/**
 * Keeps web pages out. A page that rebinds its own name to 127.0.0.1 comes with its own name as Host; a page that posts
 * across origins comes with its own Origin. Null: the request may pass.
 */
export function refusal(request: AdminRequest, options: GuardOptions): Refusal | null {
  const name = hostName(request.host);
  if (name === null) return { status: 400, message: 'the Host header is missing or not valid' };
  const authorized = options.token === null ? isLoopback(options.address) : holdsToken(request.authorization, options.token);
  // A page cannot know the token, so a name is no danger where one is shown.
  if (!isAddressOrLocal(name) && !(options.token !== null && authorized)) {
    return { status: 403, message: 'this name is not served here: use the IP address or localhost' };
  }
  if (isLoopback(options.address) && isIP(name) !== 0 && !isLoopback(name) && options.token === null) {
    return { status: 403, message: 'this address is not served here: use 127.0.0.1 or localhost' };
  }
  if (request.origin !== undefined && request.origin !== `http://${request.host}` && request.origin !== `https://${request.host}`) {
    return { status: 403, message: 'requests of another origin are refused' };
  }
  if (
    request.method !== 'GET' &&
    request.method !== 'HEAD' &&
    request.secFetchSite !== undefined &&
    request.secFetchSite !== 'same-origin' &&
    request.secFetchSite !== 'none'
  ) {
    return { status: 403, message: 'requests of another site are refused' };
  }
  if (!authorized && !probes.has(request.path)) {
    return {
      status: 401,
      message: 'a token is needed: Authorization: Bearer TOKEN (or Basic with the token as password)',
      headers: { 'www-authenticate': 'Basic realm="weir admin", charset="UTF-8"' },
    };
  }
  return null;
}

/** Loopback addresses: 127.0.0.0/8, ::1 and `localhost`. */
export function isLoopback(address: string): boolean {
  const plain = address.toLowerCase().replace(/^::ffff:/, '');
  return plain === 'localhost' || plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'));
}

function isAddressOrLocal(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost') || isIP(name) !== 0;
}

/** Name or address of a Host header, lower case, without port and brackets; null when it is not one. */
function hostName(host: string | undefined): string | null {
  if (host === undefined) return null;
  const bracketed = /^\[([0-9a-fA-F:.]+)\](?::\d{1,5})?$/.exec(host);
  if (bracketed?.[1] !== undefined) return isIP(bracketed[1]) === 6 ? bracketed[1].toLowerCase() : null;
  const plain = /^([A-Za-z0-9._-]{1,253})(?::\d{1,5})?$/.exec(host);
  return plain?.[1] === undefined ? null : plain[1].toLowerCase().replace(/\.$/, '');
}

function holdsToken(authorization: string | undefined, token: string): boolean {
  const match = /^(Bearer|Basic) +(\S+) *$/i.exec(authorization ?? '');
  const [, scheme, value] = match ?? [];
  if (scheme === undefined || value === undefined) return false;
  if (scheme.toLowerCase() === 'bearer') return equal(value, token);
  const decoded = Buffer.from(value, 'base64').toString('utf8');
  return equal(decoded.slice(decoded.indexOf(':') + 1), token);
}

/** Digests have one length, so that the comparison tells nothing of the token's. */
function equal(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
