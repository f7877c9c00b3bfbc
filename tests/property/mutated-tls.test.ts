/** Configurations of TLS and layer 4 with slips in them: compiled without an exception, and every name in the result leads somewhere. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compileSources, defaultOptions, readCertificates } from '../../src/dialects/compile.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import { compileTables } from '../../src/proxy/route/compile.ts';

const istio = readFileSync(new URL('../../src/dialects/istio/testdata/tls.in.yaml', import.meta.url), 'utf8');
const weir = `---
apiVersion: weir.dev/v1
kind: Listener
metadata: {name: l}
spec:
  port: 9443
  protocol: TLS
  hostnames: [a.test]
  tls: {mode: Passthrough}
  forward: {destinations: [{host: db.example.net, port: 5432, weight: 1}], idleTimeoutMs: 1}
---
apiVersion: weir.dev/v1
kind: Policy
metadata: {name: p, namespace: infra}
spec:
  targetRefs: [{kind: VirtualService, name: postgres}]
  filters: [{keyAuth: {}}]
`;
const lines: readonly string[] = (istio + weir).split('\n');
const words: readonly string[] =
  '* "*" a.test 443 80 SIMPLE MUTUAL PASSTHROUGH TCP TLS HTTPS HTTP [] {} null 0 -1 true infra unix:///x edge postgres 10.0.0.0/8 UDP'.split(
    ' ',
  );

/** Numbers that are the same in each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >>> 8) % below;
  };
}

function mutated(random: (below: number) => number): string {
  const text = [...lines];
  for (let left = 1 + random(3); left > 0; left--) {
    const at = random(text.length);
    switch (random(4)) {
      case 0:
        text.splice(at, 1);
        break;
      case 1:
        text.splice(at, 0, text[random(text.length)]);
        break;
      case 2:
        text[at] = text[at].replace(/[\w.*"/:-]+(?=[,}\]]|$)/, words[random(words.length)]);
        break;
      default: {
        const found = [...text[at].matchAll(/[\w.*-]+/g)];
        if (found.length === 0) break;
        const { 0: word, index } = found[random(found.length)];
        text[at] = text[at].slice(0, index) + words[random(words.length)] + text[at].slice(index + word.length);
      }
    }
  }
  return text.join('\n');
}

/** What a worker would stumble over, or serve without the check that was asked for. */
function flaws({ listeners, clusters, secrets = [] }: Snapshot): readonly string[] {
  const known = new Set(secrets.map(({ name }) => name));
  const reachable = new Set(clusters.map(({ name }) => name));
  return listeners.flatMap(({ chains = [], virtualHosts }) => {
    const names = chains.map(({ name }) => name);
    const hosts = new Set(virtualHosts.map(({ name }) => name));
    return [
      ...(new Set(names).size === names.length ? [] : ['two chains of one name']),
      ...chains.flatMap((chain) => [
        ...(chain.virtualHosts ?? []).filter((name) => !hosts.has(name)).map((name) => `virtual host ${name}`),
        ...(chain.forward?.destinations ?? []).flatMap(({ cluster }) =>
          cluster === null || reachable.has(cluster) ? [] : [`cluster ${cluster}`],
        ),
        ...(chain.tls?.certificates ?? []).filter((name) => !known.has(name)).map((name) => `secret ${name}`),
        ...(chain.tls?.clientCertificate === 'require' && chain.tls.ca === null && chain.tls.certificates.length > 0
          ? ['no authorities']
          : []),
      ]),
    ];
  });
}

test('slips in TLS and layer 4 of Istio and Weir', async () => {
  const random = numbers(20_261_120);
  for (let run = 0; run < 400; run++) {
    const text = mutated(random);
    const compiled = readCertificates(await compileSources([{ file: '/nowhere/a.yaml', text }], defaultOptions, null), null);
    assert.deepEqual(flaws(compiled.snapshot), [], text);
    compileTables(compiled.snapshot);
  }
});
