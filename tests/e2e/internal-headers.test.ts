/** Headers by which Envoys speak to one another: what a client writes into them must not steer the sidecars behind a gateway. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Listener } from '../../src/model/listener.ts';
import { hello, proxied } from '../support/proxied.ts';
import { answering, exchange } from '../support/raw.ts';

const lines = 'X-Envoy-Max-Retries: 100\r\nx-envoy-upstream-rq-timeout-ms: 1\r\nX-ENVOY-RETRY-ON: 5xx\r\n';
const others = 'X-Envoyed: 1\r\nX-Envoy-: 2\r\n';

for (const [name, listener, passes] of [
  ['of an Istio gateway, from anybody', { dialect: 'istio' }, false],
  ['of an Istio gateway, from a trusted hop', { dialect: 'istio', trustedHops: 1 }, true],
  ['of another dialect, where no sidecars are', { dialect: 'gateway-api' }, true],
] as const satisfies readonly (readonly [string, Partial<Listener>, boolean])[]) {
  await test(`x-envoy headers ${name}: ${passes ? 'passed on' : 'dropped'}`, async (t) => {
    const { backend, port } = await proxied(
      t,
      answering(() => hello),
      { listener },
    );
    await exchange(port, `GET / HTTP/1.1\r\nHost: a\r\n${lines}${others}Connection: close\r\n\r\n`);
    const { received } = backend.connections[0];
    assert.equal(received.includes('X-Envoyed: 1\r\nX-Envoy-: 2\r\n'), true);
    assert.equal(/x-envoy-./i.test(received.replace('X-Envoy-:', '')), passes, received);
  });
}
