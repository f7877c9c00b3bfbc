/** A certificate of the bench's own: ECDSA P-256, what servers use today. Made with openssl for each run. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Both in one file, as HAProxy wants it. */
  readonly bothFile: string;
  readonly certificate: string;
  readonly key: string;
}

/** Makes it in `directory`, or finds it there. */
export function certificate(directory: string): Certificate {
  const certificateFile = join(directory, 'bench.crt');
  const keyFile = join(directory, 'bench.key');
  const bothFile = join(directory, 'bench.pem');
  if (!existsSync(bothFile)) {
    const options = ['-nodes', '-days', '2', '-subj', '/CN=bench.example', '-addext', 'subjectAltName=DNS:bench.example,IP:127.0.0.1'];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', keyFile];
    execFileSync('openssl', ['req', '-x509', ...key, '-out', certificateFile, ...options], { stdio: 'ignore' });
    writeFileSync(bothFile, `${readFileSync(certificateFile, 'utf8')}${readFileSync(keyFile, 'utf8')}`);
  }
  return {
    certificateFile,
    keyFile,
    bothFile,
    certificate: readFileSync(certificateFile, 'utf8'),
    key: readFileSync(keyFile, 'utf8'),
  };
}
