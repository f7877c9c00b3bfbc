import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TlsSessions } from './sessions.ts';

const ticket = (n: number): Buffer => Buffer.from([n]);

describe('TLS sessions', () => {
  it('shows a ticket once, the newest first, and only for its name', () => {
    const sessions = new TlsSessions();
    sessions.give('a', ticket(1), false);
    sessions.give('a', ticket(2), false);
    assert.equal(sessions.take('b'), undefined);
    assert.deepEqual(sessions.take('a'), ticket(2));
    assert.deepEqual(sessions.take('a'), ticket(1));
    assert.equal(sessions.take('a'), undefined);
    assert.equal(sessions.size, 0);
  });

  it('shows a session of TLS 1.2 again and again, the last one', () => {
    const sessions = new TlsSessions();
    sessions.give('a', ticket(1), true);
    sessions.give('a', ticket(2), true);
    assert.deepEqual([sessions.take('a'), sessions.take('a')], [ticket(2), ticket(2)]);
    sessions.give('a', ticket(3), false);
    assert.deepEqual(sessions.take('a'), ticket(3));
    assert.equal(sessions.take('a'), undefined, 'the server speaks TLS 1.3 now');
  });

  it('is bounded in names and tickets, and forgets', () => {
    const sessions = new TlsSessions();
    for (let name = 0; name < 100; name++) for (let n = 0; n < 20; n++) sessions.give(`n${name}`, ticket(n), false);
    assert.equal(sessions.size, 32 * 4);
    assert.equal(sessions.take('n0'), undefined, 'the oldest name went');
    assert.deepEqual(sessions.take('n99'), ticket(19));
    sessions.drop('n98');
    assert.equal(sessions.take('n98'), undefined);
    sessions.clear();
    assert.equal(sessions.size, 0);
  });
});
