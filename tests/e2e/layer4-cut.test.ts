/**
 * A client or an upstream that is gone at any byte of what comes before or instead of HTTP: forwarded bytes, a ClientHello, a PROXY
 * header. The right flag, and nothing of it is left. UDP has no connection that could be cut.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { CutRig, forEach, hows, numbers, sendAndCut } from '../support/cuts.ts';
import { alpn, helloMessage, records, sni, versions } from '../support/hello.ts';
import { forwardTo } from '../support/layer4.ts';
import { type BackendConnection, RawBackend, RawClient } from '../support/raw.ts';
import { clusterOf, type RigOptions, routeTo, snapshotOf } from '../support/rig.ts';
import { chainOf } from '../support/tls.ts';

type Line = Readonly<Record<string, unknown>>;

interface Bench {
  readonly cuts: CutRig;
  readonly backend: RawBackend;
  readonly connect: () => Promise<Client>;
  /** When all is over: the log line of each client, by its address. */
  readonly lines: () => Promise<ReadonlyMap<string, Line>>;
}

interface Client {
  readonly client: RawClient;
  /** Its own: the system gives out ports again. */
  readonly address: string;
}

const hostOf = (address: unknown): string => (typeof address === 'string' ? address.split(':')[0] : '');

async function bench(t: TestContext, onConnection: (connection: BackendConnection) => void, options: RigOptions = {}): Promise<Bench> {
  const backend = await RawBackend.start((connection) => {
    connection.socket.on('end', () => connection.socket.end());
    onConnection(connection);
  });
  t.after(() => backend.close());
  const cuts = await CutRig.start(t, (port) => snapshotOf(port, [routeTo('b')], [clusterOf('b', [backend.port])], options));
  let count = 0;
  const connect = async (): Promise<Client> => {
    const address = `127.0.1.${++count}`;
    return { client: await RawClient.connect(cuts.rig.port, true, address), address };
  };
  const lines: Bench['lines'] = async () => {
    await cuts.nothingIsLeft();
    // Its line comes after all others.
    const last = await connect();
    last.client.socket.end('P');
    await last.client.toEnd();
    for (let wanted = 1; ; wanted++) {
      const found = (await cuts.rig.logged(wanted)).map((line) => [hostOf(line['downstream_remote_address']), line] as const);
      if (found.at(-1)?.[0] !== last.address) continue;
      const byAddress = new Map<string, Line>();
      for (const [address, line] of found.slice(0, -1)) {
        // Reset before it was accepted: the system does not know any more who it was.
        if (address === '') assert.deepEqual([line['response_flags'], line['bytes_received']], ['DC', 0]);
        else {
          assert.ok(!byAddress.has(address), `one line for ${address}`);
          byAddress.set(address, line);
        }
      }
      return byAddress;
    }
  };
  return { cuts, backend, connect, lines };
}

/** Who said nothing has no line: health checks come and go like that. A reset may come before its bytes are read. */
function assertLine(line: Line | undefined, flags: string, mayBeSilent: boolean, at: string): void {
  if (line !== undefined || !mayBeSilent) assert.equal(line?.['response_flags'], flags, at);
}

const tcp: RigOptions = { listener: { protocol: 'tcp', chains: [chainOf('all', { forward: forwardTo(['b']) })] } };
const question = 'what time is it?\r\n';
const answer = 'ten to four, by my watch\r\n';

await test('TCP that is forwarded', { timeout: 60_000 }, async (t) => {
  for (const how of hows) {
    await t.test(`the client is gone (${how}) after any byte`, async (st) => {
      const { backend, connect, lines } = await bench(st, () => undefined, tcp);
      const addresses: string[] = [];
      for (const bytes of numbers(0, question.length)) {
        const { client, address } = await connect();
        const upstream = await backend.connection(bytes);
        addresses.push(address);
        if (how === 'end') sendAndCut(client.socket, question.slice(0, bytes), how);
        else {
          client.send(question.slice(0, bytes));
          await upstream.until((received) => received.length === bytes);
          sendAndCut(client.socket, '', how);
        }
        assert.equal(await upstream.until(() => false), question.slice(0, bytes));
        await client.toEnd();
        client.close();
      }
      const found = await lines();
      for (const [bytes, address] of addresses.entries()) {
        const { response_flags: flags, bytes_received: received, bytes_sent: sent } = found.get(address) ?? {};
        assert.deepEqual([flags, received, sent], [how === 'end' ? '-' : 'DC', bytes, 0], `${bytes} bytes`);
      }
    });

    await t.test(`the upstream is gone (${how}) after any byte`, async (st) => {
      let bytes = 0;
      const onConnection = ({ socket }: BackendConnection): void => {
        socket.once('data', () => sendAndCut(socket, answer.slice(0, bytes), how));
      };
      const { connect, lines } = await bench(st, onConnection, tcp);
      const addresses: string[] = [];
      for (bytes = 0; bytes <= answer.length; bytes++) {
        const { client, address } = await connect();
        addresses.push(address);
        client.send(question);
        assert.equal(await client.toEnd(), answer.slice(0, bytes));
        assert.deepEqual([client.ended, client.reset], [how === 'end', how === 'reset'], 'told as Weir was told');
        client.close();
      }
      const found = await lines();
      for (const [sent, address] of addresses.entries()) {
        const { response_flags: flags, bytes_received: received, bytes_sent: passed } = found.get(address) ?? {};
        assert.deepEqual([flags, received, passed], [how === 'end' ? '-' : 'UC', question.length, sent], `${sent} bytes`);
      }
    });
  }
});

await test('TLS that is passed through', { timeout: 60_000 }, async (t) => {
  const extensions = [sni('a.example'), alpn('h2', 'http/1.1'), versions(0x0304)];
  // In three records, as a client may send it.
  const hello = records(helloMessage({ extensions }), 60);
  const chains = [chainOf('a', { serverNames: ['a.example'], forward: forwardTo(['b']) })];
  for (const how of hows)
    await t.test(`the client is gone (${how}) after any byte of its ClientHello`, async (st) => {
      const { cuts, backend, connect, lines } = await bench(st, () => undefined, { listener: { protocol: 'tcp', chains } });
      const addresses: string[] = [];
      for (const bytes of numbers(0, hello.length)) {
        const { client, address } = await connect();
        addresses.push(address);
        const part = hello.subarray(0, bytes);
        if (how === 'end') sendAndCut(client.socket, part, how);
        else {
          client.send(part);
          if (bytes === hello.length) await (await backend.connection(0)).until((received) => received.length === bytes);
          sendAndCut(client.socket, '', how);
        }
        await client.toEnd();
        client.close();
      }
      const [upstream, ...others] = backend.connections;
      assert.equal(others.length, 0, 'without a whole ClientHello nobody is connected to');
      assert.equal(await upstream?.until(() => false), hello.toString('latin1'));
      const refused = cuts.rig.metric('weir_listener_refused_total');
      const found = await lines();
      for (const [bytes, address] of addresses.entries()) {
        const flags = how === 'end' && bytes === hello.length ? '-' : 'DC';
        assertLine(
          found.get(address),
          flags,
          bytes === 0 || (how === 'reset' && bytes < hello.length),
          `${bytes} of ${hello.length} bytes`,
        );
      }
      assert.equal(refused, hello.length);
    });
});

const proxyHeaders: readonly (readonly [name: string, bytes: Buffer])[] = [
  ['version 1', Buffer.from('PROXY TCP4 192.0.2.9 198.51.100.1 12345 443\r\n')],
  ['version 2', Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000209c6336401303901bb', 'hex')],
];

for (const [version, header] of proxyHeaders)
  await test(`PROXY protocol, ${version}`, { timeout: 60_000 }, async (t) => {
    const request = Buffer.concat([header, Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')]);
    for (const how of hows)
      await t.test(`the client is gone (${how}) after any byte of the header and of the request`, async (st) => {
        const { cuts, backend, connect, lines } = await bench(
          st,
          ({ socket }) => socket.once('data', () => how === 'end' && socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')),
          { listener: { proxyProtocol: 'required' } },
        );
        const addresses: string[] = [];
        const clients: RawClient[] = [];
        await forEach(numbers(0, request.length), async (bytes) => {
          const { client, address } = await connect();
          addresses[bytes] = address;
          clients[bytes] = client;
          const part = request.subarray(0, bytes);
          if (how === 'end') sendAndCut(client.socket, part, how);
          else {
            client.send(part);
            if (bytes === request.length) await backend.connection(0);
            sendAndCut(client.socket, '', how);
          }
          await client.toEnd();
          client.close();
        });
        for (const { socket } of backend.connections) if (how === 'end') socket.destroy();
        const refused = cuts.rig.metric('weir_listener_refused_total');
        const found = await lines();
        for (const bytes of numbers(0, header.length - 1))
          assertLine(found.get(addresses[bytes]), 'DC', bytes === 0 || how === 'reset', `${bytes} of ${header.length} bytes`);
        const asked = found.get('192.0.2.9');
        assert.deepEqual([asked?.['response_code'], asked?.['response_flags']], how === 'end' ? [200, '-'] : [0, 'DC']);
        assert.equal(clients[request.length].received.endsWith('ok'), how === 'end');
        assert.equal(backend.connections.length, 1);
        assert.equal(refused, header.length);
        assert.equal(
          found.size,
          [...found.keys()].filter((address) => addresses.indexOf(address) < header.length).length,
          'no line without a request',
        );
      });
  });
