import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callerOf } from './caller.ts';
import { compileSources, defaultOptions } from './compile.ts';

const text = `
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web, version: v1}}
spec: {serviceAccountName: web}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: web-2, namespace: shop}
spec: {address: 127.0.0.1, serviceAccount: web, labels: {app: web, version: v2}}
---
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: shop, labels: {app: job}}
spec: {}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: other, labels: {app: other}}
spec: {serviceAccountName: web}
`;

const rows: readonly { readonly name: string; readonly principal: string; readonly labels: Record<string, string> | null }[] = [
  { name: 'labels that all its workloads have', principal: 'spiffe://cluster.local/ns/shop/sa/web', labels: { app: 'web' } },
  { name: 'the default service account', principal: 'spiffe://cluster.local/ns/shop/sa/default', labels: { app: 'job' } },
  { name: 'an account without workloads', principal: 'spiffe://cluster.local/ns/shop/sa/none', labels: {} },
  { name: 'another shape of identity', principal: 'spiffe://cluster.local/web', labels: null },
  { name: 'no identity', principal: 'web', labels: null },
];
for (const row of rows) {
  test(`caller: ${row.name}`, async () => {
    const { resources } = await compileSources([{ file: 'pods.yaml', text }], defaultOptions, null);
    const caller = callerOf(row.principal, resources);
    assert.deepEqual(caller.ok ? caller.value.labels : null, row.labels);
  });
}
