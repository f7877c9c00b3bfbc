/** What a filter says of a header holds for trailers: there are readers that join both. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawBackend, RawClient } from '../support/raw.ts';
import { clusterOf, origin, Rig, routeTo, snapshotOf } from '../support/rig.ts';

await test('trailers cannot bring back a header that a filter has set or removed, in either direction', async (t) => {
  const changes = { set: [{ name: 'X-Tenant', value: 'mine' }], add: [{ name: 'X-Also', value: 'mine' }], remove: ['X-Secret'] };
  const trailers = 'x-tenant: other\r\nX-SECRET: 1\r\nX-Also: yours\r\nX-Sum: 7\r\n';
  const answer = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${trailers}\r\n`;
  const backend = await RawBackend.start((connection) =>
    connection.socket.on('data', () => {
      if (/\r\n0\r\n[^]*\r\n\r\n$/.test(connection.received)) connection.socket.write(answer);
    }),
  );
  const filter = { name: 'header-modifier', config: { request: changes, response: changes, operators: false }, origin, stateKey: 'h' };
  const route = routeTo('b', { filters: [filter] });
  const rig = await Rig.start((port) => snapshotOf(port, [route], [clusterOf('b', [backend.port])]));
  t.after(async () => {
    await rig.close();
    backend.close();
    assert.deepEqual(rig.faults, []);
  });
  const client = await RawClient.connect(rig.port);
  for (let i = 1; i <= 2; i++) {
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n${trailers}\r\n`);
    const received = await client.until((text) => text.split('X-Sum: 7\r\n\r\n').length > i);
    for (const text of [received, backend.connections[0].received]) {
      const sections = text.split('\r\n0\r\n').slice(1);
      assert.equal(sections.length, i);
      assert.ok(sections[i - 1].startsWith('X-Also: yours\r\nX-Sum: 7\r\n\r\n'), sections[i - 1]);
    }
  }
  client.close();
});
