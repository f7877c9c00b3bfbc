/** The hostile corpus through a real data worker: raw bytes in, raw bytes out, llhttp as judge of both sides. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { z } from 'zod';
import { edgeCanonicalisation } from '../../src/model/listener.ts';
import { corpusDirectory, readCorpus } from '../fuzz/campaign.ts';
import { onTheWire, type Target } from '../fuzz/check.ts';
import { RequestReader } from '../fuzz/proxy/backend.ts';
import { ID, type Answer } from '../fuzz/proxy/case.ts';
import type { Ended } from '../fuzz/proxy/engine.ts';
import { judgeForwarded, judgeResponses, readAsked, readForwarded, type Forwarded, type PeerView } from '../fuzz/proxy/judge.ts';
import { RawBackend, RawClient, type BackendConnection } from '../support/raw.ts';
import { clusterOf, Rig, routeTo, snapshotOf } from '../support/rig.ts';

// What the codec alone is tested with, so that the outcomes are those of expected.json.
const rules = { ...edgeCanonicalisation, escapedSlashes: 'keep', underscores: 'allow' } as const;
const together = 300;

const body = `<${ID}>`;
const plain: Answer = { pieces: [`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`], then: 'keep', early: false };

/** A backend that answers as it is told and keeps what it saw. */
class Scripted {
  readonly raw: RawBackend;
  private readonly readers: RequestReader[];

  private constructor(raw: RawBackend, readers: RequestReader[]) {
    this.raw = raw;
    this.readers = readers;
  }

  static async start(answer: (head: string) => Answer): Promise<Scripted> {
    const readers: RequestReader[] = [];
    const raw = await RawBackend.start((connection) => {
      const reader = new RequestReader(answer);
      readers.push(reader);
      connection.socket.on('data', () => {
        reader.read(
          connection.received,
          () => undefined,
          (served) => send(connection, reader.note(served, served.answer.pieces.join('')), served.answer),
        );
      });
    });
    return new Scripted(raw, readers);
  }

  get peers(): PeerView[] {
    return this.raw.connections.map(({ received }, i) => ({ received: Buffer.from(received, 'latin1'), served: this.readers[i].served }));
  }
}

/** Writes an answer in two pieces when it is cut within its head, else in one. */
function send({ socket }: BackendConnection, text: string, { pieces, then }: Answer): void {
  const first = pieces.length > 1 ? pieces[0].length : 0;
  if (first > 0) socket.write(text.slice(0, first), 'latin1');
  setImmediate(() => {
    socket.write(text.slice(first), 'latin1');
    if (then === 'end') socket.end();
  });
}

interface Sent {
  readonly name: string;
  readonly pieces: readonly string[];
}

interface Seen extends Sent {
  readonly client: RawClient;
  readonly ended: readonly Ended[];
}

const lineSchema = z.looseObject({
  method: z.string().nullable(),
  path: z.string().nullable(),
  protocol: z.string().nullable(),
  response_code: z.number(),
  response_flags: z.string(),
  response_code_details: z.string().nullable(),
  request_id: z.string().nullable(),
  upstream_host: z.string().nullable(),
  downstream_remote_address: z.string(),
});

class Bench {
  readonly rig: Rig;
  readonly backend: Scripted;
  private logged = 0;
  private clients = 0;

  private constructor(rig: Rig, backend: Scripted) {
    this.rig = rig;
    this.backend = backend;
  }

  static async start(t: TestContext, answer: (head: string) => Answer): Promise<Bench> {
    const backend = await Scripted.start(answer);
    const route = routeTo('b');
    const action = route.action.kind === 'forward' ? { ...route.action, timeoutMs: 3000 } : route.action;
    const rig = await Rig.start((port) =>
      snapshotOf(port, [{ ...route, action }], [clusterOf('b', [backend.raw.port])], {
        listener: { canonicalisation: rules, http2: false },
      }),
    );
    t.after(async () => {
      await rig.close();
      backend.raw.close();
      assert.deepEqual(rig.faults, [], 'no bug was caught by a guard');
    });
    return new Bench(rig, backend);
  }

  /** Sends each on a connection of its own, closes our side, waits for the other, and finds the log lines of each. */
  async send(all: readonly Sent[]): Promise<Seen[]> {
    const seen: { readonly sent: Sent; readonly client: RawClient; readonly address: string }[] = [];
    for (let at = 0; at < all.length; at += together) {
      const batch = all.slice(at, at + together).map(async (sent) => {
        // An address of its own each, by which its log lines are known: ports come again.
        const number = ++this.clients;
        const address = `127.1.${number >> 8}.${number & 255}`;
        const client = await RawClient.connect(this.rig.port, true, address);
        seen.push({ sent, client, address });
        for (const piece of sent.pieces) {
          if (client.socket.writable) client.send(piece);
          await new Promise((resolve) => setImmediate(resolve));
        }
        client.socket.end();
        await client.toEnd();
      });
      await Promise.all(batch);
    }
    const lines = await this.lines();
    const found = seen.map(({ sent, client, address }) => ({ ...sent, client, ended: lines.get(address) ?? [] }));
    for (const { client } of found) client.close();
    return found;
  }

  /** Log lines by the client's address, once that of a last request is there. */
  private async lines(): Promise<Map<string, Ended[]>> {
    const last = await RawClient.connect(this.rig.port);
    const marker = `/last-${this.logged++}`;
    last.send(`GET ${marker} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    await last.toEnd();
    last.close();
    const out = new Map<string, Ended[]>();
    for (let count = 1; ; count++) {
      const lines = (await this.rig.logged(count)).map((line) => lineSchema.parse(line));
      if (!lines.some(({ path }) => path === marker)) {
        count = lines.length;
        continue;
      }
      for (const line of lines) {
        const address = line.downstream_remote_address.split(':')[0];
        out.set(address, [...(out.get(address) ?? []), endedOf(line)]);
      }
      return out;
    }
  }
}

function endedOf(line: z.infer<typeof lineSchema>): Ended {
  return {
    method: line.method ?? '-',
    originalPath: line.path ?? '',
    protocol: line.protocol ?? '',
    responseCode: line.response_code,
    responseFlags: line.response_flags,
    responseCodeDetails: line.response_code_details ?? '',
    requestId: line.request_id ?? '',
    upstreamHost: line.upstream_host ?? '',
  };
}

async function judgeAll(seen: readonly Seen[], forwarded: Map<string, Forwarded[]> | string): Promise<Map<string, Forwarded[]>> {
  if (typeof forwarded === 'string') return assert.fail(forwarded);
  for (const { name, pieces, client, ended } of seen) {
    const asked = await readAsked(Buffer.from(pieces.join(''), 'latin1'));
    assert.equal(judgeForwarded(rules, asked, ended, forwarded), '', name);
    const view = { ended, client: Buffer.from(client.received, 'latin1'), clientReset: client.reset, clientFinished: client.ended };
    assert.equal(await judgeResponses(view, forwarded), '', name);
  }
  return forwarded;
}

/** What expected.json says of an input: the requests in it, and how it is refused. */
function expectedOf(target: Target): (name: string) => { readonly messages: readonly string[]; readonly refusal: RegExpExecArray | null } {
  const file = z.record(z.string(), z.string()).parse(JSON.parse(readFileSync(join(corpusDirectory, target, 'expected.json'), 'utf8')));
  return (name) => {
    const parts = (file[name] ?? '').split(' | ').filter((part) => part !== 'waits');
    const messages = parts.filter((part) => /^[A-Z-]+ /.test(part));
    return { messages, refusal: /^(\d{3}) (\S+)/.exec(parts.at(-1) ?? '') };
  };
}

function piecesOf(wire: Buffer): { readonly how: string; readonly pieces: string[] }[] {
  const text = wire.toString('latin1');
  const cut = (...at: number[]): string[] =>
    [0, ...at].map((from, i) => text.slice(from, at[i] ?? text.length)).filter((piece) => piece !== '');
  const { length } = text;
  const lineEnd = text.indexOf('\r\n') + 1;
  const headEnd = text.indexOf('\r\n\r\n') + 3;
  return [
    { how: 'whole', pieces: [text] },
    { how: 'in thirds', pieces: cut(Math.floor(length / 3), Math.floor((length * 2) / 3)) },
    { how: 'cut within line ends', pieces: cut(...[lineEnd, headEnd].filter((at, i, all) => at > 2 && at > (all[i - 1] ?? 0))) },
  ];
}

for (const target of ['request', 'chunked'] as const) {
  await test(`hostile requests (${target}): nothing malformed reaches the backend, and the rest reaches it as llhttp reads it`, async (t) => {
    const bench = await Bench.start(t, () => plain);
    const expected = expectedOf(target);
    const inputs = [...readCorpus(target)].flatMap(([name, input]) =>
      piecesOf(onTheWire(target, input)).map(({ how, pieces }) => ({ name, sent: { name: `${name} ${how}`, pieces } })),
    );
    const seen = await bench.send(inputs.map(({ sent }) => sent));
    assert.equal(seen.length, inputs.length);
    const forwarded = await judgeAll(seen, await readForwarded(bench.backend.peers, []));
    const byName = new Map(inputs.map(({ name, sent }) => [sent.name, name]));
    for (const { name, client, ended } of seen) {
      const { messages, refusal } = expected(byName.get(name) ?? '');
      for (const [i, message] of messages.entries()) {
        if (message.endsWith('…')) continue;
        assert.equal(ended[i]?.responseCode, 200, `${name}: ${message}`);
        assert.equal(forwarded.get(ended[i]?.requestId ?? '')?.length, 1, `${name}: ${message} reached the backend once`);
      }
      if (refusal === null) continue;
      const last = ended.at(-1);
      assert.equal(last?.responseCode, Number(refusal[1]), `${name}: ${refusal[0]}`);
      // In pieces it may be told earlier, by another name.
      if (refusal[2].startsWith('http1.') && name.endsWith(' whole')) assert.equal(last?.responseCodeDetails, refusal[2], name);
      assert.match(client.received, /\r\nconnection: close\r\n(?![^]*HTTP\/1\.1 )/, `${name}: says that it closes`);
      assert.ok(client.ended && !client.reset, `${name}: closed in good order`);
      const reached = forwarded.get(last?.requestId ?? '') ?? [];
      assert.ok(
        reached.every(({ message }) => !message.complete),
        `${name}: what is refused never reaches the backend whole`,
      );
      if (messages.at(-1)?.endsWith('…') !== true)
        assert.equal(reached.length, 0, `${name}: nothing of what is refused reaches the backend`);
    }
  });
}

await test('hostile responses: one well-formed response to each request, or a visible cut, and never that of another', async (t) => {
  const corpus = [...readCorpus('response')];
  const answers = new Map<string, Answer>();
  const bench = await Bench.start(t, (head) => answers.get(/^\S+ (\S+)/.exec(head)?.[1] ?? '') ?? plain);
  const inputs = corpus.flatMap(([name, input]) => {
    const text = input.toString('latin1');
    const inHead = Math.floor((text.indexOf('\r\n\r\n') + 4) / 2);
    const kinds: readonly Answer[] = [
      { pieces: [text], then: 'keep', early: false },
      { pieces: [text], then: 'end', early: false },
      { pieces: [text.slice(0, inHead), text.slice(inHead)].filter((piece) => piece !== ''), then: 'end', early: false },
    ];
    return kinds.flatMap((answer, kind) =>
      ['GET', 'HEAD'].map((method) => {
        const path = `/${name}/${kind}/${method}`;
        answers.set(path, answer);
        const next = `GET /after${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
        return { name: path, pieces: [`${method} ${path} HTTP/1.1\r\nHost: a\r\n\r\n${next}`] };
      }),
    );
  });
  const seen = await bench.send(inputs);
  const fresh = await bench.send(
    Array.from({ length: 50 }, (_, i) => ({
      name: `fresh ${i}`,
      pieces: [`GET /fresh/${i} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`],
    })),
  );
  const forwarded = await judgeAll([...seen, ...fresh], await readForwarded(bench.backend.peers, []));
  for (const { name, client, ended } of fresh) {
    assert.equal(ended[0]?.responseCode, 200, name);
    assert.ok(client.received.endsWith(`<${ended[0]?.requestId}>`), `${name}: its own answer`);
  }
  let went = 0;
  for (const { name, client, ended } of seen) {
    assert.ok(ended.length >= 1 && ended.length <= 2, name);
    const second = ended[1];
    if (second === undefined) {
      assert.ok(client.closed || client.ended, `${name}: no second answer, so the connection is closed`);
      continue;
    }
    went++;
    assert.equal(second.responseCode, 200, `${name}: the next request on the connection`);
    assert.ok(client.received.endsWith(`<${second.requestId}>`), `${name}: the next request gets its own answer`);
    // Twice, where it met a kept connection that the backend had just closed.
    assert.ok([1, 2].includes(forwarded.get(second.requestId)?.length ?? 0), name);
  }
  assert.ok(went > corpus.length, 'most connections go on');
});
