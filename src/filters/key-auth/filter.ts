import { hash } from 'node:crypto';
import type { Consumer } from '../../model/consumer.ts';
import { defineFilter, type FilterContext, type FilterRequest, type LocalReply } from '../define.ts';
import { findInQuery } from './query.ts';
import { keyAuthSchema, maxKeyBytes, type KeyAuthConfig } from './schema.ts';

/** What this filter tells the upstream. A client's own copy of any of them is always removed. */
const consumerId = 'X-Consumer-ID';
const consumerCustomId = 'X-Consumer-Custom-ID';
const consumerUsername = 'X-Consumer-Username';
const credentialIdentifier = 'X-Credential-Identifier';
const anonymousConsumer = 'X-Anonymous-Consumer';
const identityHeaders: readonly string[] = [
  'x-consumer-id',
  'x-consumer-custom-id',
  'x-consumer-username',
  'x-consumer-groups',
  'x-credential-identifier',
  'x-anonymous-consumer',
];

interface Owner {
  readonly consumer: Consumer;
  readonly credential: string;
}

/** Why a request has no good key. Texts are Kong 3.9's. */
interface Refusal {
  readonly message: string;
  readonly details: string;
}

const missing: Refusal = { message: 'No API key found in request', details: 'key_auth_missing' };
const duplicate: Refusal = { message: 'Duplicate API key found', details: 'key_auth_duplicate' };
const unknownKey: Refusal = { message: 'Unauthorized', details: 'key_auth_unknown_key' };

/** Authenticates the consumer by an API key (Kong key-auth 3.9). */
export const keyAuth = defineFilter<KeyAuthConfig>({
  name: 'key-auth',
  phase: 'authentication',
  rank: 1250,
  restricts: true,
  schema: keyAuthSchema,
  body: 'none',
  create(config, context) {
    const authenticate = authenticator(config, context);
    return context.scope === 'listener' ? { onListener: authenticate } : { onRequest: authenticate };
  },
});

function authenticator(config: KeyAuthConfig, context: FilterContext): (request: FilterRequest) => LocalReply | undefined {
  const names = config.names.map((name) => ({ query: name, header: name.toLowerCase() }));
  const find = keyFinder(config, context);
  const headers: LocalReply['headers'] = [['WWW-Authenticate', config.realm === null ? 'Key' : `Key realm="${config.realm}"`]];
  const refuse = (refusal: Refusal): LocalReply => ({
    status: 401,
    headers,
    message: refusal.message,
    flag: 'UAEX',
    details: refusal.details,
  });
  const replies = new Map([missing, duplicate, unknownKey].map((refusal) => [refusal, refuse(refusal)]));

  return (request) => {
    // An earlier authentication has vouched for the caller and `anonymous` makes the two alternatives (Kong's logical OR).
    if (config.anonymous !== null && request.consumer !== null && request.credential !== null) {
      request.note?.(`already authenticated as ${nameOf(request.consumer)}`);
      return undefined;
    }
    for (const name of identityHeaders) request.headers.remove(name);
    if (!config.runOnPreflight && request.method === 'OPTIONS') {
      request.note?.('OPTIONS request: no key asked for (runOnPreflight is off)');
      return undefined;
    }
    const shown = readKey(request, config, names);
    if (config.hideCredentials) hide(request, names);
    const owner = typeof shown === 'string' ? find(shown) : null;
    if (owner !== null) {
      identify(request, owner.consumer, owner.credential);
      request.note?.(`key of ${nameOf(owner.consumer)}`);
      return undefined;
    }
    const refusal = typeof shown === 'string' ? unknownKey : shown;
    request.note?.(refusal.message);
    if (config.anonymous === null) return replies.get(refusal);
    const anonymous = context.findConsumer(config.anonymous);
    if (anonymous === null) {
      request.note?.(`anonymous consumer '${config.anonymous}' does not exist`);
      return {
        status: 500,
        headers: [],
        message: 'An unexpected error occurred',
        flag: 'UAEX',
        details: 'key_auth_anonymous_consumer_missing',
      };
    }
    identify(request, anonymous, null);
    request.note?.(`continues as anonymous consumer ${nameOf(anonymous)}`);
    return undefined;
  };
}

/** The key, or why there is none that can be looked up. The first configured name that is there decides. */
function readKey(
  request: FilterRequest,
  config: KeyAuthConfig,
  names: readonly { readonly query: string; readonly header: string }[],
): string | Refusal {
  for (const name of names) {
    if (config.inHeader) {
      const lines = request.headers.lines(name.header);
      if (lines.length > 1) return duplicate;
      const [line] = lines;
      if (line !== undefined) return line === '' ? missing : line;
    }
    if (config.inQuery) {
      const found = findInQuery(request.query, name.query);
      if (found === 'several') return duplicate;
      if (found !== null) return found.value === '' ? missing : found.value;
    }
  }
  return missing;
}

function hide(request: FilterRequest, names: readonly { readonly query: string; readonly header: string }[]): void {
  for (const name of names) {
    request.headers.remove(name.header);
    if (request.query !== '') request.removeQuery(name.query);
  }
}

/**
 * Looks a key up by its SHA-256. What is compared is a digest that the caller cannot steer towards another one, so the
 * time of the look-up tells nothing about the keys that exist.
 */
function keyFinder(config: KeyAuthConfig, context: FilterContext): (key: string) => Owner | null {
  const own = config.keys === undefined ? null : inlineOwners(config.keys, context);
  return (key) => {
    if (key.length > maxKeyBytes) return null;
    // Header values are Latin-1 strings of the bytes that came; a key outside ASCII is UTF-8 in the document.
    const digest = hash('sha256', isAscii(key) ? key : Buffer.from(key, 'latin1'), 'hex');
    return own === null ? context.findKey(digest) : (own.get(digest) ?? null);
  };
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** Owners of the keys that the config itself lists; a name that no consumer has makes one that only lives here. */
function inlineOwners(keys: NonNullable<KeyAuthConfig['keys']>, context: FilterContext): ReadonlyMap<string, Owner> {
  const owners = new Map<string, Owner>();
  for (const { consumer: name, sha256 } of keys) {
    // The credential's id goes to logs and upstreams: a digest of the digest names it and cannot be used as a key.
    const credential = hash('sha256', `weir key ${sha256}`, 'hex').slice(0, 32);
    const consumer = context.findConsumer(name) ?? ownConsumer(name, sha256, credential);
    if (!owners.has(sha256)) owners.set(sha256, { consumer, credential });
  }
  return owners;
}

function ownConsumer(name: string, sha256: string, credential: string): Consumer {
  const origin = { dialect: 'weir', kind: 'Policy', namespace: null, name, file: '', line: 0, column: 0 } as const;
  return { id: name, username: name, customId: null, groups: [], keys: [{ id: credential, sha256 }], origin };
}

function identify(request: FilterRequest, consumer: Consumer, credential: string | null): void {
  request.consumer = consumer;
  request.credential = credential;
  request.headers.set(consumerId, consumer.id);
  if (consumer.customId !== null) request.headers.set(consumerCustomId, consumer.customId);
  if (consumer.username !== null) request.headers.set(consumerUsername, consumer.username);
  if (credential === null) request.headers.set(anonymousConsumer, 'true');
  else request.headers.set(credentialIdentifier, credential);
}

function nameOf(consumer: Consumer): string {
  return `consumer ${consumer.username ?? consumer.customId ?? consumer.id}`;
}
