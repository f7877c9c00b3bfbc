import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { kongSubjects } from '../../scripts/docs/support/kong-world.ts';
import { pluginNames, pluginSpec } from '../../src/dialects/kong/plugins/index.ts';
import { compileSources, defaultOptions, type Compiled, type LastGood } from '../../src/dialects/compile.ts';
import { filterKey } from '../../src/dialects/weir/kinds.ts';
import { filters } from '../../src/filters/index.ts';
import { explainerOf, type ExplainResult } from '../../src/proxy/explain.ts';
import { compileTables } from '../../src/proxy/route/compile.ts';
import { freePort } from '../support/ports.ts';
import { portOf } from '../support/raw.ts';
import { Rig, snapshotOf } from '../support/rig.ts';
import { document, gatewayApi, istio, kong, rows } from './fail-closed/rows.ts';

const options = { ...defaultOptions, bind: '127.0.0.1' };

function compile(files: readonly string[], backend: number, memory: LastGood | null = null): Promise<Compiled> {
  const sources = files.map((text, index) => ({
    file: `${index}.${text.startsWith('{') ? 'json' : 'yaml'}`,
    text: text.replaceAll('BACKEND', String(backend)),
  }));
  return compileSources(sources, options, memory);
}

function explain({ snapshot }: Compiled, headers: readonly (readonly [string, string])[] = []): Promise<ExplainResult> {
  return explainerOf(snapshot).explain({ method: 'GET', url: 'http://x.test:8000/', headers, address: null, bodyBytes: 0, caller: null });
}

/** Refused by the gateway itself; a redirect or a 404 would mean that something else answered. */
function assertClosed({ outcome, status, reason }: ExplainResult): void {
  assert.ok(outcome === 'denied' || outcome === 'error', `${outcome}: ${reason}`);
  assert.ok(status === 401 || status === 403 || (status !== null && status >= 500), `status ${status}`);
}

describe('what restricts access and does not run is closed', () => {
  it('while the same configuration without it is open', async () => {
    for (const text of [kong, istio(), gatewayApi()]) assert.equal((await explain(await compile([text], 1))).outcome, 'forward');
  });

  for (const { name, files, quiet, encrypted } of rows)
    it(name, async () => {
      const compiled = await compile(files, 1);
      const result = await explain(compiled);
      if (encrypted === true) {
        assert.equal(result.outcome, 'forward');
        const reached = compiled.snapshot.clusters.filter((cluster) => result.destinations.some((one) => one.cluster === cluster.name));
        assert.ok(reached.length > 0 && reached.every(({ transport, tls }) => transport === 'tls' && tls !== undefined));
        return;
      }
      assertClosed(result);
      if (quiet !== true)
        assert.ok(
          compiled.diagnostics.some(({ severity, line, hint }) => severity === 'error' && line > 0 && hint !== undefined),
          'an error says where, and what to do',
        );
    });
});

/** Plugins of which the world's configuration runs: what they then do, beside refusing. */
const doing: Readonly<Record<string, (result: ExplainResult) => boolean>> = {
  'key-auth': ({ status }) => status === 401,
  'rate-limiting': (result) => result.filters.some((filter) => filter.name === 'rate-limit'),
  'request-termination': ({ outcome, status }) => outcome === 'direct-response' && status === 503,
  redirect: ({ outcome, status }) => (outcome === 'direct-response' || outcome === 'redirect') && status !== null && status < 400,
};

describe('every plugin of Kong that restricts', () => {
  for (const name of pluginNames().filter((one) => pluginSpec(one)?.restricts === true)) {
    const subject = kongSubjects.find((one) => one.dialect === 'Kong plugin' && one.kind === name);
    const sound: unknown = subject?.bases[0];
    const scopes: Record<string, object> = { all: {}, route: { route: 'r' }, service: { service: 's' }, consumer: { consumer: 'ann' } };
    for (const [scope, refs] of Object.entries(scopes)) {
      // A plugin that finds out who asks cannot be made for one consumer.
      const refused = pluginSpec(name)?.not.some((one) => one === scope) === true;
      for (const [kind, config] of Object.entries({ sound, broken: { 'no-such-field': 1 } }))
        it(`${name} for ${scope}, ${kind}`, async () => {
          const plugin = { name, config, ...refs };
          const identity = scope === 'consumer' && name !== 'key-auth' ? [{ name: 'key-auth' }] : [];
          const compiled = await compile([kong, JSON.stringify({ _format_version: '3.0', plugins: [plugin, ...identity] })], 1);
          const result = await explain(compiled, [['apikey', 'k']]);
          const runs = doing[name];
          if (kind === 'sound' && !refused && runs !== undefined && scope !== 'consumer') {
            if (name === 'key-auth') assert.equal((await explain(compiled)).status, 401);
            else assert.ok(runs(result), `${result.outcome} ${result.status}`);
          } else if (!(kind === 'sound' && name === 'rate-limiting')) assertClosed(result);
        });
    }
  }
});

describe('every filter of a Weir Policy', () => {
  for (const { name } of filters)
    it(`${name} with a field that does not exist closes its target`, async () => {
      const policy = document(
        'weir.dev/v1',
        'Policy',
        `{targetRefs: [{kind: VirtualService, name: v}], filters: [{${filterKey(name)}: {noSuchField: 1}}]}`,
      );
      assertClosed(await explain(await compile([istio(), policy], 1)));
    });
});

describe('a policy that breaks while it runs', () => {
  const sound = document('weir.dev/v1', 'Policy', '{targetRefs: [{kind: VirtualService, name: v}], filters: [{keyAuth: {names: [k]}}]}');
  const damages: readonly (readonly [string, string])[] = [
    ['an unknown field', sound.replace('names', 'nmes')],
    ['a syntax error', sound.replace('[k]', '[k')],
    ['text that is no YAML at all', '\t\u0000: ][ {{{'],
    ['an apiVersion that does not exist', sound.replace('weir.dev/v1', 'weir.dev/v7')],
  ];
  for (const [name, text] of damages)
    it(`keeps its last good version: ${name}`, async () => {
      const { memory } = await compile([istio(), sound], 1);
      const after = await compile([istio(), text], 1, memory);
      assert.equal((await explain(after)).status, 401);
      // The version that serves outlives further edits.
      assert.equal((await explain(await compile([istio(), text], 1, after.memory))).status, 401);
    });

  it('keeps it while its file cannot be read', async () => {
    const { memory } = await compile([istio(), sound], 1);
    const text = istio().replaceAll('BACKEND', '1');
    const compiled = await compileSources([{ file: '0.yaml', text }], options, memory, ['1.yaml']);
    assert.equal((await explain(compiled)).status, 401);
  });

  it('goes when it is taken out', async () => {
    const { memory } = await compile([istio(), sound], 1);
    assert.equal((await explain(await compile([istio()], 1, memory))).outcome, 'forward');
  });
});

describe('live', () => {
  let hits = 0;
  const backend = createServer((_request, response) => {
    hits++;
    response.end('open');
  });
  let rig: Rig;
  let port = 0;
  before(async () => {
    backend.listen(0, '127.0.0.1');
    await once(backend, 'listening');
    rig = await Rig.start((free) => snapshotOf(free, [], []));
    port = await freePort();
  });
  after(async () => {
    await rig.close();
    backend.closeAllConnections();
    backend.close();
  });

  async function ask(files: readonly string[]): Promise<number> {
    const { snapshot } = await compile(files, portOf(backend));
    const gateways = snapshot.listeners.filter(({ kind, chains }) => kind === 'gateway' && chains === undefined);
    const bindings = gateways.map(({ name }) => ({ listener: name, address: '127.0.0.1', port }));
    await rig.applyTables(compileTables(snapshot), bindings);
    return (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' }, redirect: 'manual' })).status;
  }

  it('the bare configurations answer 200', async () => {
    for (const text of [kong, istio(), gatewayApi()]) assert.equal(await ask([text]), 200);
    assert.equal(hits, 3);
  });

  for (const { name, files, encrypted } of rows.filter((row) => row.live === true))
    it(name, async () => {
      hits = 0;
      const status = await ask(files);
      // The backend speaks no TLS: 502 or 503, by how far the handshake came.
      assert.ok(status === 401 || status === 403 || status === 503 || status === (encrypted === true ? 502 : 500), `status ${status}`);
      assert.equal(hits, 0);
    });
});
