/** Parts of Node that are loaded at first use: a configuration without certificates does not wait for OpenSSL. */
import type * as Crypto from 'node:crypto';
import type * as Tls from 'node:tls';

export function crypto(): typeof Crypto {
  return process.getBuiltinModule('node:crypto');
}

export function tls(): typeof Tls {
  return process.getBuiltinModule('node:tls');
}
