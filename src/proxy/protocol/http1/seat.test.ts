import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Rig, clusterOf, routeTo, snapshotOf } from '../../../../tests/support/rig.ts';
import { hello } from '../../../../tests/support/proxied.ts';
import { RawBackend, RawClient } from '../../../../tests/support/raw.ts';

it('a client that turned to HTTP/2 and goes on sending reaches no other client of the listener', async (t) => {
  const backend = await RawBackend.start((connection) => connection.socket.on('data', () => connection.socket.write(hello)));
  const rig = await Rig.start((port) => snapshotOf(port, [routeTo('b')], [clusterOf('b', [backend.port])]));
  t.after(async () => {
    await rig.close();
    backend.close();
  });
  const first = await RawClient.connect(rig.port);
  first.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  first.send(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
  await first.until((text) => text.includes('\0\0\0\x04\x01'));
  // Served by the object that served the first.
  const second = await RawClient.connect(rig.port);
  second.send('GET /second HTTP/1.1\r\nHost: a\r\n');
  first.send('X-Of: first\r\n\r\n');
  await first.until(() => first.closed || first.ended);
  second.send('X-Of: second\r\n\r\n');
  await second.until((text) => text.endsWith('hello'));
  assert.deepEqual(
    backend.connections.map(({ received }) => [received.includes('X-Of: first'), received.includes('X-Of: second')]),
    [[false, true]],
  );
  assert.deepEqual(rig.faults, []);
});
