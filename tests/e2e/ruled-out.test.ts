import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileSources, defaultOptions } from '../../src/dialects/compile.ts';
import { explainerOf } from '../../src/proxy/explain.ts';

const config = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v}
spec:
  hosts: ['*']
  gateways: [g]
  http:
  - {name: other-port, match: [{port: 8443}], directResponse: {status: 201}}
  - {name: mesh-only, match: [{gateways: [mesh]}], directResponse: {status: 202}}
  - {name: labelled, match: [{sourceLabels: {app: x}}], directResponse: {status: 203}}
  - {name: elsewhere, match: [{sourceNamespace: other}], directResponse: {status: 203}}
  - {name: all, directResponse: {status: 204}}
`;

await test('explain says why a rule can hold for no request at this gateway', async () => {
  const { snapshot } = await compileSources([{ file: 'rules.yaml', text: config }], defaultOptions, null);
  const explained = await explainerOf(snapshot).explain({ method: 'GET', url: 'http://a/', headers: [], caller: null });
  assert.equal(explained.status, 204);
  const reasons = new Map(explained.candidates.map(({ route, because, origin }) => [route, `${because} @${origin.line}`]));
  assert.equal(reasons.get('other-port'), 'port: 80 is not 8443 @14');
  assert.equal(reasons.get('mesh-only'), 'gateways: this one is none of mesh @15');
  assert.equal(reasons.get('labelled'), "source label app: the gateway's is not x @16");
  assert.equal(reasons.get('elsewhere'), "source namespace: the gateway's is not other @17");
});
