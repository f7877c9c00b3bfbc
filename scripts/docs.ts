/**
 * `npm run docs` writes docs/reference/ from the source; with `--check` it fails when a page is not what the source
 * says, so that pages cannot go stale.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { cliPages } from './docs/cli.ts';
import { diagnosticsPages } from './docs/diagnostics.ts';
import { filterPages } from './docs/filters.ts';
import { listenerPages } from './docs/listener.ts';
import { supportPages } from './docs/support.ts';
import { telemetryPages } from './docs/telemetry.ts';

const pages = [
  ...diagnosticsPages(),
  ...filterPages(),
  ...listenerPages(),
  ...telemetryPages(),
  ...(await cliPages()),
  ...(await supportPages()),
];
const stale = pages.filter(({ path, text }) => !existsSync(path) || readFileSync(path, 'utf8') !== text);
if (process.argv.includes('--check')) {
  for (const { path } of stale) console.error(`${path} is not what the source says; run: npm run docs`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  for (const { path, text } of stale) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    console.log(`wrote ${path}`);
  }
}
