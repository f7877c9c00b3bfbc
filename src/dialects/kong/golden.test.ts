/** Golden pairs: testdata/NAME.in.yaml translates to testdata/NAME.out.json. UPDATE_GOLDEN=1 rewrites the outputs. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { load } from './fixture.ts';

const folder = join(import.meta.dirname, 'testdata');

function line({ severity, code, line: at, column, message, hint }: Diagnostic): string {
  return `${at}:${column} ${severity} ${code} ${message}${hint === undefined ? '' : ` (${hint})`}`;
}

function translated(text: string): unknown {
  const { diagnostics, fragment } = load(text);
  const [listener] = fragment.listeners;
  const chained = fragment.listeners.filter(({ chains }) => chains !== undefined);
  const routes = fragment.routes.map(({ origin, name: _name, rule: _rule, filters, ...route }) => ({
    ...route,
    line: origin.line,
    filters: filters.map(({ origin: from, ...filter }) => ({ ...filter, line: from.line })),
  }));
  return {
    diagnostics: diagnostics.toSorted((a, b) => a.line - b.line || a.column - b.column).map(line),
    listener: listener === undefined ? null : `${listener.name} ${listener.replyStyle}`,
    ...(chained.length === 0
      ? {}
      : {
          chains: chained.flatMap(({ name, protocol, chains = [] }) =>
            chains.map(({ origin, ...chain }) => ({
              listener: `${name} ${protocol}`,
              line: origin.line,
              ...chain,
              ...(chain.forward === null ? {} : { forward: { ...chain.forward, origin: undefined } }),
            })),
          ),
          secrets: fragment.secrets?.map(({ name, certificate, privateKey, ca }) =>
            [name, certificate && 'certificate', privateKey && 'key', ca && 'authorities'].filter(Boolean).join(' '),
          ),
        }),
    matches: (listener?.virtualHosts[0]?.matches ?? []).map((entry) => ({
      route: routes[entry.route]?.id,
      index: entry.index,
      match: entry.match,
      rank: entry.rankReason,
    })),
    routes,
    clusters: fragment.clusters.map(({ origin: _origin, ...cluster }) => cluster),
    consumers: fragment.consumers.map(({ origin: _origin, ...consumer }) => consumer),
    status: fragment.status.map(
      ({ kind, name, quarantined, conditions }) => `${kind} ${name}: ${conditions[0]?.reason}${quarantined ? ', quarantined' : ''}`,
    ),
  };
}

for (const input of readdirSync(folder).filter((name) => name.endsWith('.in.yaml'))) {
  const name = basename(input, '.in.yaml');
  test(`golden: ${name}`, () => {
    const actual = `${JSON.stringify(translated(readFileSync(join(folder, input), 'utf8')), null, 2)}\n`;
    const output = join(folder, `${name}.out.json`);
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(output, actual);
    assert.equal(actual, readFileSync(output, 'utf8'));
  });
}
