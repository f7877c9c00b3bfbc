import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection, newTally, runClient } from '../support/load.ts';
import { eventually } from '../support/program.ts';
import { startRunning } from '../support/running.ts';

const limited = (connection: Connection): Promise<{ readonly status: number }> => connection.get('/limited', 'x-api-key: one\r\n');

for (const locked of [false, true]) {
  const name = locked ? 'a worker that dies with every lock of the limits' : 'a worker that dies';
  await test(`${name} loses its own exchanges only and is replaced`, { timeout: 60_000 }, async (t) => {
    const { program, backend, port } = await startRunning(t, 40, { inside: true });
    const connections = await Promise.all(Array.from({ length: 32 }, () => Connection.open(port)));
    t.after(() => connections.forEach((connection) => connection.end()));
    for (const connection of connections.slice(0, 20)) assert.equal((await limited(connection)).status, 200);
    const requestsBefore = await program.metric('envoy_http_downstream_rq_total');
    assert.ok(requestsBefore >= 20, `${requestsBefore} counted`);
    const before = backend.requests;
    const replies = connections.map((connection, index) =>
      connection.get(`/stable/${index}?wait=600`).then(
        (reply) => reply.body.toString() === `a /stable/${index}?wait=600`,
        () => 'lost' as const,
      ),
    );
    await eventually(() => backend.requests === before + 32);

    const died = performance.now();
    program.tell({ type: 'die', index: 0, locked });
    await program.until(() => program.stderr.includes('a data worker died'));
    // From here on nothing may go wrong any more, the replacement being there or not.
    const tally = newTally();
    const until = performance.now() + 2500;
    const client = (keepAlive: boolean): Promise<void> =>
      runClient(
        {
          port,
          keepAlive,
          everyMs: 5,
          stopped: () => performance.now() > until,
          request: (number) => ({ path: `/stable/${number}` }),
          check: ({ body }, number) => (body.toString() === `a /stable/${number}` ? null : body.toString()),
        },
        tally,
      );
    const load = Promise.all([client(true), client(false), client(false)]);
    assert.ok(await eventually(() => program.listening(port).length === 2, 5000), 'the replacement listens');
    const replacedMs = performance.now() - died;
    t.diagnostic(`replaced after ${Math.round(replacedMs)} ms`);
    assert.ok(replacedMs < 1000, `the replacement took ${Math.round(replacedMs)} ms`);
    await load;
    assert.deepEqual(tally.problems, []);

    const results = await Promise.all(replies);
    const lost = results.filter((result) => result === 'lost').length;
    assert.ok(lost > 0 && lost < 32, `${lost} of 32 exchanges were the dead worker's`);
    assert.equal(results.filter((result) => result === true).length, 32 - lost, 'the others were answered, each with its own');
    const alive = connections.filter(({ closed }) => !closed);
    assert.equal(alive.length, 32 - lost, 'the other worker kept its connections');
    const statuses: number[] = [];
    for (let i = 0; i < 30; i++) statuses.push((await limited(alive[i % alive.length])).status);
    assert.equal(statuses.filter((status) => status === 200).length, 20, 'the count of the limit went on');

    assert.equal(await program.metric('weir_worker_restarts_total'), 1);
    const counted = await program.metric('envoy_http_downstream_rq_total');
    assert.ok(counted >= requestsBefore + tally.requests + 30, `${requestsBefore}, then ${tally.requests} and more, now ${counted}`);
    for (const connection of connections) connection.end();
    assert.ok(
      await eventually(async () => (await program.metric('envoy_http_downstream_cx_active')) === 0),
      'the gauges do not count the dead worker’s connections',
    );
    assert.deepEqual([(await program.upstream()).active], [0]);
  });
}
