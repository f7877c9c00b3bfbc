import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Resource } from '../dialect.ts';
import { kubernetes } from '../kubernetes/index.ts';
import { parseText } from '../text.ts';
import { gatewayApi } from './index.ts';

/** `UPDATE_GOLDEN=1` rewrites the expected outputs; read the difference before committing it. */
const update = process.env.UPDATE_GOLDEN === '1' || process.argv.includes('--update');
const folder = join(import.meta.dirname, 'testdata');

for (const file of readdirSync(folder).filter((name) => name.endsWith('.in.yaml')))
  test(`golden: ${file}`, () => {
    const { documents, diagnostics } = parseText(file, readFileSync(join(folder, file), 'utf8'));
    const resources: Resource[] = documents.flatMap((document) =>
      [gatewayApi, kubernetes].filter((dialect) => dialect.recognises(document)).flatMap((dialect) => dialect.read(document)),
    );
    const input = { resources, options: { bind: '0.0.0.0', labels: null } };
    const { fragment, diagnostics: translated } = gatewayApi.translate(input);
    const told = [
      ...diagnostics,
      ...resources.flatMap((resource) => resource.diagnostics),
      ...translated,
      ...kubernetes.translate(input).diagnostics,
    ];
    const secrets = fragment.secrets?.map((secret) => ({ ...secret, privateKey: secret.privateKey === null ? null : '(key)' }));
    const output = `${JSON.stringify({ diagnostics: told.map((one) => ({ ...one, docs: undefined })), ...fragment, secrets }, null, 2)}\n`;
    const expected = join(folder, file.replace('.in.yaml', '.out.json'));
    if (update) writeFileSync(expected, output);
    assert.equal(output, readFileSync(expected, 'utf8'));
  });
