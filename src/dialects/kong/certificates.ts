/** Kong's certificates, server names and authorities as secrets of the snapshot. */
import { z } from 'zod';
import type { Origin } from '../../model/origin.ts';
import type { Secret } from '../../model/tls.ts';
import { lazily } from '../check.ts';
import { developmentSecret } from '../development-certificate.ts';
import type { Directory } from './directory.ts';
import type { Located, Reference } from './entity.ts';

const pairSchema = lazily(() =>
  z.object({ cert: z.string(), key: z.string(), cert_alt: z.string().optional(), key_alt: z.string().optional() }),
);
const authoritySchema = lazily(() => z.object({ cert: z.string() }));
const sniSchema = lazily(() => z.object({ name: z.string() }));

/** Server names that one certificate is for; best first in `CertificateBook.shown`. */
export interface ShownCertificate {
  /** Exact names, or one with a wildcard; empty: every name that no other is for (Kong's SNI `*`). */
  readonly names: readonly string[];
  /** Names of secrets: RSA and ECDSA of one entity. */
  readonly certificates: readonly string[];
}

export class CertificateBook {
  readonly #directory: Directory;
  readonly #origin: Origin;
  /** By secret name: what is used, and nothing else, goes into the snapshot. */
  readonly #used = new Map<string, Secret>();
  readonly #names = new Map<string, readonly string[]>();
  readonly shown: readonly ShownCertificate[];

  /** `origin`: of the certificate that is made here. */
  constructor(directory: Directory, origin: Origin) {
    this.#directory = directory;
    this.#origin = origin;
    const exact = new Map<Located, string[]>();
    const wide: { readonly name: string; readonly located: Located }[] = [];
    for (const { entity } of directory.all('SNI')) {
      const parsed = entity.fields === null ? null : sniSchema().safeParse(entity.fields);
      const located = entity.refs.certificate === undefined ? null : directory.find('Certificate', entity.refs.certificate);
      if (parsed?.success !== true || located === null) continue;
      const name = plainName(parsed.data.name);
      if (this.#names.has(name)) continue;
      // A name whose certificate is broken stays its own: no wider one answers for it.
      this.#names.set(name, this.#secretsOf(located));
      if (name.includes('*')) wide.push({ name, located });
      else {
        const list = exact.get(located);
        if (list === undefined) exact.set(located, [name]);
        else list.push(name);
      }
    }
    // `*.example.com` before `example.*` before `*`, longer ones first (Kong: certificate.find_certificate).
    const rank = (name: string): number => (name === '*' ? 0 : name.startsWith('*') ? 2000 + name.length : 1000 + name.length);
    this.shown = [
      ...[...exact].map(([located, names]) => ({ names, certificates: this.#secretsOf(located) })),
      ...wide
        .toSorted((a, b) => rank(b.name) - rank(a.name))
        .map(({ name, located }) => ({ names: name === '*' ? [] : [name], certificates: this.#secretsOf(located) })),
      ...(this.#names.has('*') ? [] : [{ names: [], certificates: this.#development() }]),
    ];
  }

  /** False: names without a certificate are shown one that Weir signed itself. */
  get hasDefault(): boolean {
    return this.#names.has('*');
  }

  /** Secrets that are shown for a server name of a route; empty: its certificate is broken. */
  certificatesFor(name: string): readonly string[] {
    const own = plainName(name);
    const dot = own.indexOf('.');
    const last = own.lastIndexOf('.');
    const found = [own, dot < 0 ? '' : `*${own.slice(dot)}`, last < 0 ? '' : `${own.slice(0, last)}.*`, '*'].find((one) =>
      this.#names.has(one),
    );
    return found === undefined ? this.#development() : (this.#names.get(found) ?? []);
  }

  /** Kong shows a certificate of its own to clients that ask for a name without one. */
  #development(): readonly string[] {
    const secret = developmentSecret(['localhost'], this.#origin);
    this.#used.set(secret.name, secret);
    return [secret.name];
  }

  /** Secret with the client certificate that a service or an upstream shows; null: it is not there or broken. */
  clientCertificate(reference: Reference): string | null {
    const located = this.#directory.find('Certificate', reference);
    return located === null ? null : (this.#secretsOf(located)[0] ?? null);
  }

  /** One secret with the authorities of these ids; an id that leads nowhere is returned. */
  authorities(ids: readonly string[]): { readonly secret: string | null; readonly missing: string | null } {
    const texts: string[] = [];
    let first: Located | null = null;
    for (const id of ids) {
      const located = this.#directory.find('CACertificate', { id });
      const fields = located?.entity.fields ?? null;
      const parsed = fields === null ? null : authoritySchema().safeParse(fields);
      if (located === null || parsed?.success !== true) return { secret: null, missing: id };
      first ??= located;
      texts.push(parsed.data.cert);
    }
    if (first === null) return { secret: null, missing: null };
    const name = `kong/CACertificate//${ids.map((id) => id.toLowerCase()).join('+')}`;
    this.#used.set(name, { name, certificate: null, privateKey: null, ca: texts.join('\n'), origin: first.resource.origin });
    return { secret: name, missing: null };
  }

  get secrets(): readonly Secret[] {
    return [...this.#used.values()];
  }

  #secretsOf({ resource, entity }: Located): readonly string[] {
    const parsed = entity.fields === null ? null : pairSchema().safeParse(entity.fields);
    if (parsed?.success !== true) return [];
    const { cert, key, cert_alt: certAlt, key_alt: keyAlt } = parsed.data;
    const name = resource.key;
    const { origin } = resource;
    this.#used.set(name, { name, certificate: cert, privateKey: key, ca: null, origin });
    if (certAlt === undefined || keyAlt === undefined) return [name];
    const alt = `${name}#alt`;
    this.#used.set(alt, { name: alt, certificate: certAlt, privateKey: keyAlt, ca: null, origin });
    return [name, alt];
  }
}

/** Lower case, without the last dot of a full name. */
function plainName(name: string): string {
  const lower = name.toLowerCase();
  return lower.length > 1 && lower.endsWith('.') ? lower.slice(0, -1) : lower;
}
