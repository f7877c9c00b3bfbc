/** `/certs` as Envoy has it (admin.v3.Certificates), with the secret's name and the subject beside. Keys have no place in it. */
import { type CertificateFacts, factsOf } from '../../dialects/certificates.ts';
import type { Snapshot } from '../../model/snapshot.ts';

interface CertificateDetails {
  /** Name of the secret, or the path of its file. */
  readonly path: string;
  readonly subject: string;
  readonly serial_number: string;
  readonly subject_alt_names: readonly ({ readonly dns: string } | { readonly uri: string } | { readonly ip_address: string })[];
  /** Whole days, 0 once it is expired; text, as protobuf's JSON writes 64 bits. */
  readonly days_until_expiration: string;
  readonly valid_from: string;
  readonly expiration_time: string;
}

export interface Certificates {
  readonly certificates: readonly { readonly ca_cert: readonly CertificateDetails[]; readonly cert_chain: readonly CertificateDetails[] }[];
}

const dayMs = 86_400_000;
/** Authorities of one bundle that are listed; the system's have 150. */
const maxListed = 200;

/** Certificates of the secrets that listeners and clusters of the snapshot name, at `now` (ms since 1970). */
export function certificatesOf(snapshot: Snapshot | null, now: number): Certificates {
  const certificates = (snapshot?.secrets ?? []).map(({ name, certificate, ca, files }) => ({
    ca_cert: listed(ca, files?.ca ?? name, now),
    cert_chain: listed(certificate, files?.certificate ?? name, now),
  }));
  return { certificates };
}

function listed(pem: string | null, path: string, now: number): readonly CertificateDetails[] {
  return pem === null
    ? []
    : factsOf(pem)
        .slice(0, maxListed)
        .map((facts) => details(facts, path, now));
}

function details(
  { subject, subjectAltNames, serial, validFrom, validTo }: CertificateFacts,
  path: string,
  now: number,
): CertificateDetails {
  return {
    path,
    subject,
    serial_number: serial,
    subject_alt_names: subjectAltNames.flatMap(alternative),
    days_until_expiration: String(Math.max(0, Math.floor((validTo - now) / dayMs))),
    valid_from: new Date(validFrom).toISOString(),
    expiration_time: new Date(validTo).toISOString(),
  };
}

function alternative(name: string): CertificateDetails['subject_alt_names'] {
  if (name.startsWith('DNS:')) return [{ dns: name.slice(4) }];
  if (name.startsWith('URI:')) return [{ uri: name.slice(4) }];
  return name.startsWith('IP Address:') ? [{ ip_address: name.slice(11) }] : [];
}
