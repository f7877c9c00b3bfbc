import { createHash } from 'node:crypto';
import type { Secret } from '../../../model/tls.ts';

export type FindSecret = (name: string) => Secret | null;

/** Secrets of one revision. Texts stay in the shared tables; kept here is what tells one from another. */
export class Secrets {
  readonly find: FindSecret;
  private readonly digests = new Map<string, string>();

  constructor(find: FindSecret) {
    this.find = find;
  }

  /** Changes with every byte of the secret; '' when there is none. */
  digest(name: string): string {
    const known = this.digests.get(name);
    if (known !== undefined) return known;
    const secret = this.find(name);
    const texts = secret === null ? null : [secret.certificate, secret.privateKey, secret.ca, secret.crl ?? null];
    const digest = texts === null ? '' : createHash('sha256').update(JSON.stringify(texts)).digest('base64');
    this.digests.set(name, digest);
    return digest;
  }
}

export const noSecrets: Secrets = new Secrets(() => null);
