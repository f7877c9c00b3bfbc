/** Whether certificates are for the names that listeners show them to. */
import type { X509Certificate } from 'node:crypto';
import { crypto } from '../base/late.ts';
import type { ConnectionChain } from '../model/chain.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Listener } from '../model/listener.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { diagnose } from './messages.ts';

/** Names that one finding lists. */
const maxNames = 3;

/**
 * WR0611 for each chain with a name that none of its certificates is for. `from`: chains with a certificate from a file, once files are
 * read, or the others.
 */
export function certificateNames({ listeners, secrets = [] }: Snapshot, from: 'inline' | 'files'): readonly Diagnostic[] {
  const inFiles = new Set(secrets.flatMap(({ name, files }) => (files === undefined ? [] : [name])));
  const texts = new Map(secrets.map(({ name, certificate }) => [name, certificate]));
  const parsed = new Map<string, X509Certificate | null>();
  const certificate = (name: string): X509Certificate | null => {
    const known = parsed.get(name);
    if (known !== undefined) return known;
    const made = parse(texts.get(name) ?? '');
    parsed.set(name, made);
    return made;
  };
  const told = new Set<string>();
  return listeners.flatMap((one) => {
    const { chains = [], name: listener } = one;
    return chains.flatMap((chain): readonly Diagnostic[] => {
      const { certificates = [] } = chain.tls ?? {};
      if (certificates.some((name) => inFiles.has(name)) !== (from === 'files')) return [];
      const names = strangers(namesOf(one, chain), certificates.map(certificate));
      const key = `${chain.origin.file}:${chain.origin.line}:${names.join()}`;
      if (names.length === 0 || told.has(key)) return [];
      told.add(key);
      const { kind, namespace, name } = chain.origin;
      const listed = names.slice(0, maxNames).map((one) => `'${one}'`);
      const more = names.length > maxNames ? ` and ${names.length - maxNames} more` : '';
      return [
        diagnose('WR0611', chain.origin, { kind, namespace, name }, `no certificate on ${listener} is for ${listed.join(', ')}${more}`, {
          hint: 'clients that verify it will refuse it: name a certificate with these names, or change the hosts',
        }),
      ];
    });
  });
}

/** Server names, and on Weir's own listeners, where another host gets 421, the hosts of requests. */
function namesOf({ dialect, virtualHosts }: Listener, { serverNames, forward }: ConnectionChain): readonly string[] {
  if (dialect !== 'weir' || forward !== null || serverNames.length > 0) return serverNames;
  return [...new Set(virtualHosts.flatMap(({ domains }) => domains))].filter((domain) => domain !== '*' && !domain.endsWith('.*'));
}

function strangers(names: readonly string[], all: readonly (X509Certificate | null)[]): readonly string[] {
  const own = all.filter((one) => one !== null);
  if (own.length === 0 || own.length < all.length) return [];
  return names.filter((name) => !own.some((one) => one.checkHost(name.replace('*', 'w'), { subject: 'never' }) !== undefined));
}

function parse(pem: string): X509Certificate | null {
  try {
    return new (crypto().X509Certificate)(pem);
  } catch {
    return null;
  }
}
