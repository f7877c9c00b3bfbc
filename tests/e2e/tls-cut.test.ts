import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectPlain, createServer, type Socket } from 'node:net';
import { connect, type SecureVersion } from 'node:tls';
import { test } from 'node:test';
import { forEach, numbers } from '../support/cuts.ts';
import { Pki, secretOf } from '../support/pki.ts';
import { portOf } from '../support/raw.ts';
import { behindTls, chainOf, tlsOf } from '../support/tls.ts';

interface Cut {
  readonly port: number;
  readonly version: SecureVersion;
  /** Bytes of the client that come through; Infinity: all. */
  readonly bytes: number;
  readonly isReset: boolean;
}

/** A client whose connection breaks after so many of its bytes. Resolves to how many it sent before it had its answer. */
async function cutAfter({ port, version, bytes, isReset }: Cut): Promise<number> {
  let sent = 0;
  const relay = createServer((client) => {
    const weir = connectPlain({ port, host: '127.0.0.1', noDelay: true });
    const end = (): void => {
      if (isReset) weir.resetAndDestroy();
      else weir.end();
      client.destroy();
    };
    for (const socket of [client, weir] satisfies readonly Socket[]) socket.on('error', () => undefined);
    client.on('data', (chunk: Buffer) => {
      const part = chunk.subarray(0, Math.max(0, bytes - sent));
      sent += part.length;
      weir.write(part, () => {
        if (sent >= bytes) end();
      });
    });
    weir.on('data', (chunk: Buffer) => client.write(chunk));
    weir.on('close', () => client.destroy());
    client.on('close', () => weir.destroy());
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const client = connect({ host: '127.0.0.1', port: portOf(relay), servername: 'a.test', rejectUnauthorized: false, maxVersion: version });
  client.on('error', () => undefined);
  client.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  client.on('data', () => client.destroy());
  await new Promise((resolve) => client.on('close', resolve));
  relay.close();
  await once(relay, 'close');
  return sent;
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  await test(`${version}: a client that breaks off at any byte leaves nothing behind and is counted once`, async (t) => {
    const pki = new Pki(t);
    const secrets = [secretOf('c', pki.issue({ names: ['DNS:a.test'] })), secretOf('d', pki.issue({ names: ['DNS:b.test'] }))];
    // One that is looked into for its name, and one that goes to OpenSSL at once.
    const chains = [chainOf('named', { serverNames: ['a.test'], tls: tlsOf(['c', 'd']) }), chainOf('rest', { tls: tlsOf(['c']) })];
    for (const list of [chains, chains.slice(1)]) {
      const { port, rig } = await behindTls(t, list, secrets);
      const total = await cutAfter({ port, version, bytes: Infinity, isReset: false });
      await forEach(numbers(1, total - 1), async (bytes) => void (await cutAfter({ port, version, bytes, isReset: bytes % 2 === 0 })));
      // Drained only when no connection is in the middle of anything.
      await rig.drain();
      const counted = (): number => rig.metric('envoy_http_downstream_cx_total') + rig.metric('weir_listener_refused_total');
      assert.equal(counted(), total);
      const [whole, ...cut] = await rig.logged(1);
      assert.ok(cut.length > total / 4, `${cut.length} lines of ${total} connections`);
      assert.deepEqual([whole['response_code'], whole['response_flags']], [200, '-']);
      // A reset may come before its bytes are read, and a request that is not whole is none.
      for (const line of cut) assert.deepEqual([line['response_code'], line['response_flags']], [0, 'DC'], JSON.stringify(line));
      assert.equal(rig.metric('envoy_http_downstream_cx_active'), 0);
      assert.equal(rig.metric('envoy_listener_downstream_cx_active'), 0);
    }
  });
}
