/** Certificates that the probes can use: those of the tests. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '..', '..', '..', 'tests', 'fixtures', 'tls');

export function pemText(name: string): string {
  return readFileSync(join(folder, name), 'utf8');
}
