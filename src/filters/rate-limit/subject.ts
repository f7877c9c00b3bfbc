import type { FilterRequest } from '../define.ts';
import type { RateLimitConfig } from './schema.ts';

type KeyPart = RateLimitConfig['key'][number];

/**
 * Makes the reader of a limit's subject: whom it counts. Each part is marked with its kind, so that a header cannot be
 * made to look like another client's address, and with its length, so that two parts cannot be cut differently.
 */
export function subjectReader(key: RateLimitConfig['key']): (request: FilterRequest) => string {
  const readers = key.map(partReader);
  const [first, second] = readers;
  if (first !== undefined && second === undefined) return first;
  return (request) => readers.map((read) => read(request)).reduce((joined, part) => `${joined}${part.length}:${part};`, '');
}

/** A part that is not there falls back to the client's address, as Kong's `limit_by` does. */
function partReader(part: KeyPart): (request: FilterRequest) => string {
  if ('header' in part) {
    const name = part.header.toLowerCase();
    return (request) => {
      const [value] = request.headers.lines(name);
      return value === undefined ? ip(request) : `header ${value}`;
    };
  }
  if ('consumer' in part) {
    return (request) => {
      if (request.consumer !== null) return `consumer ${request.consumer.id}`;
      return request.credential === null ? ip(request) : `credential ${request.credential}`;
    };
  }
  if ('credential' in part) return (request) => (request.credential === null ? ip(request) : `credential ${request.credential}`);
  if ('path' in part) {
    const { path } = part;
    if (path === true) return (request) => `path ${request.path}`;
    return (request) => (request.path === path ? `path ${path}` : ip(request));
  }
  if ('service' in part) return (request) => (request.serviceName === '' ? ip(request) : `service ${request.serviceName}`);
  return ip;
}

function ip(request: FilterRequest): string {
  return `ip ${request.remoteAddress}`;
}
