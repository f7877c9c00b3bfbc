import type { Caller, Headers } from '../../decide/request.ts';
import type { FilterRequest, FilterResponse } from '../../filters/define.ts';
import type { Consumer } from '../../model/consumer.ts';

/** Headers that filters want on the response, whoever makes it. Reused; bounded by the number of filters. */
export class ResponseHeaderSet {
  readonly names: string[] = [];
  readonly values: string[] = [];

  set(name: string, value: string): void {
    const at = this.names.indexOf(name);
    if (at >= 0) this.values[at] = value;
    else {
      this.names.push(name);
      this.values.push(value);
    }
  }

  clear(): void {
    this.names.length = 0;
    this.values.length = 0;
  }
}

/**
 * The request as deciders and filters see it. One object per connection, filled anew for each request; explain fills
 * one from the same parser and the same canonicaliser.
 */
export class RequestContext implements FilterRequest {
  method = '';
  scheme: 'http' | 'https' = 'http';
  authority = '';
  host = '';
  authorityPort: number | null = null;
  path = '';
  query = '';
  /** What is left of the query for the upstream. */
  sentQuery = '';
  headers: Headers;
  localPort = 0;
  sni: string | null = null;
  remoteAddress = '';
  caller: Caller | null = null;
  consumer: Consumer | null = null;
  credential: string | null = null;
  routeName = '';
  serviceName = '';
  readonly responseHeaders = new ResponseHeaderSet();
  note: ((reason: string) => void) | null = null;
  startMs = 0;

  constructor(headers: Headers) {
    this.headers = headers;
  }

  /** Forgets everything that belonged to the previous request. */
  reset(): void {
    this.consumer = null;
    this.credential = null;
    this.routeName = '';
    this.serviceName = '';
    if (this.responseHeaders.names.length > 0) this.responseHeaders.clear();
  }

  removeQuery(name: string): void {
    this.sentQuery = withoutParameter(this.sentQuery, name);
  }
}

/** The response as filters see it. */
export class ResponseContext implements FilterResponse {
  status = 0;
  headers: Headers;
  readonly request: FilterRequest;

  constructor(headers: Headers, request: FilterRequest) {
    this.headers = headers;
    this.request = request;
  }
}

/** Drops every pair whose decoded name is `name`; all other bytes stay as they are. */
export function withoutParameter(query: string, name: string): string {
  if (query === '') return query;
  const kept = query.split('&').filter((pair) => {
    const end = pair.indexOf('=');
    return decodeName(end < 0 ? pair : pair.slice(0, end)) !== name;
  });
  return kept.join('&');
}

function decodeName(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
