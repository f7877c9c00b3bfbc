/** Every matching rule of the dialects: `weir explain` gives the right answer, and says of each loser why it lost. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { callerOf } from '../../src/dialects/caller.ts';
import { compileSources, defaultOptions } from '../../src/dialects/compile.ts';
import { explainerOf, type ExplainResult } from '../../src/proxy/explain.ts';
import { gatewayApiRows } from './explain-rules/gateway-api.ts';
import { istioRows } from './explain-rules/istio.ts';
import { kongRows } from './explain-rules/kong.ts';
import { type Row, textOf } from './explain-rules/row.ts';
import { home } from '../support/sources.ts';

/** A reason names the condition that failed, or who stands before it and on what ground the loser stands where it stands. */
const specific =
  /^(host|gateways|path|method|scheme|authority|header [^:]+|query [^:]+|sni|port|source namespace|source labels?( [^:]+)?): .+ (is|are|is none of|must) .+|^path: .+ does not match the |^matches too, but '[^']+' stands before it(, which is older or comes first by name or order)?: .{5,}/;

/** Gateway API routes are named namespace/route/rule; the rows name the rule. */
function short(text: string): string {
  return text.replaceAll(/default\/[^/']+\//g, '');
}

async function explain(row: Row): Promise<ExplainResult> {
  const { snapshot, resources, diagnostics } = await compileSources(
    [{ file: 'rules.yaml', text: textOf(row.documents) }],
    defaultOptions,
    null,
  );
  assert.deepEqual(
    diagnostics.filter(({ severity }) => severity === 'error').map(({ message }) => message),
    row.errors ?? [],
    'the configuration has no other mistakes',
  );
  const [first = '', url = first] = row.request.split(' ');
  const caller = row.from === undefined ? null : callerOf(row.from, resources);
  return explainerOf(snapshot).explain({
    method: url === first ? 'GET' : first,
    url,
    headers: row.headers ?? [],
    caller: caller?.ok === true ? caller.value : null,
  });
}

const tables: readonly (readonly [dialect: string, rows: readonly Row[]])[] = [
  ['Istio', istioRows],
  ['Gateway API', gatewayApiRows],
  ['Kong', kongRows],
];
for (const [dialect, rows] of tables) {
  for (const row of rows) {
    test(`${dialect}: ${row.name}`, async () => {
      const result = await explain(row);
      const told = JSON.stringify(
        { reason: result.reason, candidates: result.candidates.map(({ route, matched, because }) => [route, matched, because]) },
        null,
        1,
      );
      assert.equal(result.route === null ? null : short(result.route.name), row.wins, told);
      if (row.outcome !== undefined) assert.equal(result.outcome, row.outcome, told);
      if (row.status !== undefined) assert.equal(result.status, row.status, told);
      if (row.path !== undefined) assert.equal(result.request.path, row.path);
      if (row.authority !== undefined) assert.equal(result.request.authority, row.authority);
      if (row.location !== undefined) assert.equal(result.response.location, row.location);
      if (row.to !== undefined)
        assert.deepEqual(
          result.destinations.map(({ host }) => host),
          row.to,
        );
      if (row.reason !== undefined) assert.match(result.reason, row.reason);
      assert.deepEqual(result.candidates.filter(({ matched }) => matched).length, row.wins === null ? 0 : 1);
      for (const { matched, because, route } of result.candidates) if (!matched) assert.match(because, specific, `${route ?? 'host'} lost`);
      for (const [loser, because] of Object.entries(row.loses ?? {})) {
        const reasons = result.candidates
          .filter(({ route, virtualHost, matched }) => !matched && short(route ?? virtualHost) === loser)
          .map((one) => short(one.because));
        assert.ok(
          reasons.some((reason) => because.test(reason)),
          `${loser}: ${because.source}, but: ${told}`,
        );
      }
    });
  }
}

/** What people read of an answer; places differ with the file. */
function said({ outcome, status, reason, request, response, candidates }: ExplainResult): unknown {
  return { outcome, status, reason, request, response, candidates: candidates.map(({ because, matched }) => [matched, because]) };
}

const commanded = ['uri regex matches the whole path', 'mesh: sourceLabels', 'a method goes before headers', 'headers: all of them'];
for (const row of tables.flatMap(([, rows]) => rows.filter(({ name }) => commanded.includes(name)))) {
  test(`the command says the same: ${row.name}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-explain-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'rules.yaml');
    writeFileSync(file, textOf(row.documents));
    const headers = (row.headers ?? []).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
    const from = row.from === undefined ? [] : ['--from', row.from];
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(home, 'src/cli/main.ts'),
      ...['explain', '-f', file, '--format', 'json', ...headers, ...from, ...row.request.split(' ')],
    ]);
    const result: ExplainResult = JSON.parse(stdout);
    assert.deepEqual(said(result), said(await explain(row)));
  });
}
