import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Compiled, compileSources, defaultOptions } from '../compile.ts';

const base = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weir}
spec: {controllerName: weir.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: weir
  listeners:
  - {name: shop, port: 80, protocol: HTTP, hostname: "*.example.com"}
  - {name: internal, port: 81, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: web}]
  hostnames: [shop.example.com]
  rules:
  - name: checkout
    matches: [{path: {type: PathPrefix, value: /pay}}]
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {type: PathPrefix, value: /cart}}]
    backendRefs: [{name: a, port: 80, weight: 1}, {name: b, port: 80, weight: 1}]
---
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: b}
spec: {ports: [{port: 80}]}
`;

function policy(target: string): string {
  return `\n---\napiVersion: weir.dev/v1\nkind: Policy\nmetadata: {name: p}\nspec: {targetRefs: [{${target}}], filters: [{keyAuth: {}}]}\n`;
}

/** Port and path of every match whose route has a filter of the Policy. */
async function reached(target: string): Promise<readonly string[]> {
  const { snapshot }: Compiled = await compileSources([{ file: 'config.yaml', text: base + policy(target) }], defaultOptions, null);
  return snapshot.listeners
    .filter(({ kind }) => kind === 'gateway')
    .flatMap((listener) =>
      listener.virtualHosts.flatMap(({ matches }) =>
        matches.flatMap(({ route, match }) =>
          snapshot.routes[route].filters.some(({ origin }) => origin.kind === 'Policy') && match.path !== undefined && 'value' in match.path
            ? [`${listener.port} ${match.path.value}`]
            : [],
        ),
      ),
    )
    .sort();
}

const rows: readonly { name: string; target: string; is: readonly string[] }[] = [
  { name: 'HTTPRoute', target: 'kind: HTTPRoute, name: shop', is: ['80 /cart', '80 /pay', '81 /cart', '81 /pay'] },
  { name: 'a rule by its name', target: 'kind: HTTPRoute, name: shop, sectionName: checkout', is: ['80 /pay', '81 /pay'] },
  {
    name: 'Gateway',
    target: 'group: gateway.networking.k8s.io, kind: Gateway, name: web',
    is: ['80 /cart', '80 /pay', '81 /cart', '81 /pay'],
  },
  { name: 'one listener of a Gateway', target: 'kind: Gateway, name: web, sectionName: internal', is: ['81 /cart', '81 /pay'] },
  { name: 'Service of one rule', target: 'kind: Service, name: b', is: ['80 /cart', '81 /cart'] },
  { name: 'Service of all rules', target: 'group: "", kind: Service, name: a', is: ['80 /cart', '80 /pay', '81 /cart', '81 /pay'] },
  { name: 'a Gateway of another group', target: 'group: networking.istio.io, kind: Gateway, name: web', is: [] },
];
for (const row of rows) test(`target: ${row.name}`, async () => assert.deepEqual(await reached(row.target), row.is));

test('property: whatever a document of weir.dev holds, compiling ends with a snapshot', async () => {
  const kind = fc.constantFrom('Policy', 'Listener', 'RouteTest', 'Other');
  const leaf = fc.oneof(
    fc.string({ maxLength: 8 }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom('web', 'shop', 'HTTPRoute', 'Gateway', 'http://a/'),
  );
  const key = fc.constantFrom(
    'targetRefs',
    'filters',
    'kind',
    'name',
    'sectionName',
    'keyAuth',
    'rateLimit',
    'headerModifier',
    'limits',
    'key',
    'port',
    'cases',
    'hostnames',
    '__proto__',
    'keys',
    'request',
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('tree'), { maxLength: 3 }), fc.dictionary(key, tie('tree'), { maxKeys: 4 })),
  }));
  await fc.assert(
    fc.asyncProperty(kind, fc.dictionary(key, tree, { maxKeys: 3 }), tree, async (kind, metadata, spec) => {
      const text = `${base}\n---\n${JSON.stringify({ apiVersion: 'weir.dev/v1', kind, metadata: { name: 'p', ...metadata }, spec })}\n`;
      const { snapshot } = await compileSources([{ file: 'config.yaml', text }], defaultOptions, null);
      assert.ok(snapshot.routes.length >= 2);
    }),
    { numRuns: 150 },
  );
});
