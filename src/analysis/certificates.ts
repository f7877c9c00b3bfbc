/** Whether certificates are for the names that listeners show them to. */
import type { X509Certificate } from 'node:crypto';
import { crypto } from '../base/late.ts';
import type { ConnectionChain } from '../model/chain.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { diagnose } from './messages.ts';

/** Names that one finding lists. */
const maxNames = 3;

/** WR0611 for each chain with a server name that none of its certificates is for. Those in files are not looked at here. */
export function certificateNames({ listeners, secrets = [] }: Snapshot): readonly Diagnostic[] {
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
  return listeners.flatMap(({ chains = [], name: listener }) =>
    chains.flatMap((chain): readonly Diagnostic[] => {
      const names = strangers(chain, certificate);
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
    }),
  );
}

function strangers({ serverNames, tls }: ConnectionChain, certificate: (name: string) => X509Certificate | null): readonly string[] {
  if (tls === null || tls.certificates.length === 0) return [];
  const all = tls.certificates.map(certificate);
  const own = all.filter((one) => one !== null);
  if (own.length < all.length) return [];
  return serverNames.filter((name) => !own.some((one) => one.checkHost(name.replace('*', 'w'), { subject: 'never' }) !== undefined));
}

function parse(pem: string): X509Certificate | null {
  try {
    return new (crypto().X509Certificate)(pem);
  } catch {
    return null;
  }
}
