/** Certificates made with openssl for one test: an authority in a directory of its own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Secret } from '../../src/model/tls.ts';
import { origin } from './rig.ts';

export interface Issued {
  /** PEM */
  readonly certificate: string;
  readonly privateKey: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Both in one file, as HAProxy wants it. */
  readonly bothFile: string;
}

export interface IssueOptions {
  /** As in openssl's subjectAltName: `DNS:a.test`, `URI:spiffe://…`, `IP:127.0.0.1`. Empty: none. */
  readonly names: readonly string[];
  /** Default ec (P-256). */
  readonly kind?: 'ec' | 'rsa';
  readonly commonName?: string;
  /** Of validity, from now; below zero: expired. */
  readonly days?: number;
}

export class Pki {
  readonly dir: string;
  readonly ca: string;
  readonly caFile: string;
  private issued = 0;

  constructor(t: TestContext, name = 'test authority') {
    this.dir = mkdtempSync(join(tmpdir(), 'weir-pki-'));
    t.after(() => rmSync(this.dir, { recursive: true, force: true }));
    this.caFile = join(this.dir, 'ca.pem');
    this.run('req', '-x509', ...newKey('ec'), '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', `/O=Weir tests/CN=${name}`, '-days', '30');
    this.ca = readFileSync(this.caFile, 'utf8');
  }

  issue(options: IssueOptions): Issued {
    const { names, kind = 'ec', commonName = 'upstream', days = 20 } = options;
    const stem = `leaf${++this.issued}`;
    this.run('req', ...newKey(kind), '-keyout', `${stem}.key`, '-out', `${stem}.csr`, '-subj', `/C=DE/O=Weir tests/CN=${commonName}`);
    writeFileSync(join(this.dir, `${stem}.ext`), extensionsOf(names));
    const extensions = ['-extfile', `${stem}.ext`, '-days', String(days)];
    this.run(
      'x509',
      '-req',
      '-in',
      `${stem}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      ...extensions,
      '-out',
      `${stem}.pem`,
    );
    const [certificateFile, keyFile, bothFile] = [`${stem}.pem`, `${stem}.key`, `${stem}.both.pem`].map((file) => join(this.dir, file));
    const certificate = readFileSync(certificateFile, 'utf8');
    const privateKey = readFileSync(keyFile, 'utf8');
    writeFileSync(bothFile, certificate + privateKey);
    return { certificate, privateKey, certificateFile, keyFile, bothFile };
  }

  /** A list that revokes these. */
  revoke(certificates: readonly Issued[]): string {
    const config = '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=5\n';
    writeFileSync(join(this.dir, 'ca.conf'), config);
    writeFileSync(join(this.dir, 'index.txt'), '');
    writeFileSync(join(this.dir, 'crlnumber'), '01\n');
    const by = ['-config', 'ca.conf', '-cert', 'ca.pem', '-keyfile', 'ca.key'];
    for (const { certificateFile } of certificates) this.run('ca', ...by, '-revoke', certificateFile);
    this.run('ca', ...by, '-gencrl', '-out', 'crl.pem');
    return readFileSync(join(this.dir, 'crl.pem'), 'utf8');
  }

  private run(...args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.dir, stdio: ['ignore', 'ignore', 'pipe'] });
  }
}

/** Names in a section of their own, where a comma is a part of its name. */
function extensionsOf(names: readonly string[]): string {
  if (names.length === 0) return 'basicConstraints=CA:FALSE\n';
  const lines = names.map((name, i) => `${name.slice(0, name.indexOf(':'))}.${i}=${name.slice(name.indexOf(':') + 1)}`);
  return `subjectAltName=@names\n[names]\n${lines.join('\n')}\n`;
}

function newKey(kind: 'ec' | 'rsa'): readonly string[] {
  return kind === 'rsa' ? ['-newkey', 'rsa:2048', '-nodes'] : ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
}

/** A secret of a snapshot. */
export function secretOf(name: string, parts: Partial<Pick<Secret, 'certificate' | 'privateKey' | 'ca' | 'crl'>>): Secret {
  return { name, certificate: null, privateKey: null, ca: null, ...parts, origin };
}
