import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Linger, lingerMs, maxLingerMs } from './state.ts';

/** A socket whose queue is what the test says. */
class Queue {
  unsent = 0;
  destroyed = false;
  destroy(): void {
    this.destroyed = true;
  }
}

await test('a closing connection waits for what is unsent, then for the linger time', () => {
  const socket = new Queue();
  const linger = new Linger();
  socket.unsent = 300;
  assert.equal(linger.begin(socket, 0), lingerMs);
  socket.unsent = 100;
  assert.equal(linger.next(socket, 1000, 5000), 1000 + lingerMs);
  socket.unsent = 0;
  assert.equal(linger.next(socket, 2000, 5000), 2000 + lingerMs);
  assert.equal(socket.destroyed, false);
  assert.equal(linger.next(socket, 3000, 5000), Infinity);
  assert.equal(socket.destroyed, true);
});

await test('a closing connection whose client takes nothing is given up after the idle time', () => {
  const socket = new Queue();
  const linger = new Linger();
  socket.unsent = 300;
  linger.begin(socket, 0);
  for (let now = 1000; now < 5000; now += 1000) assert.equal(linger.next(socket, now, 5000), now + lingerMs);
  assert.equal(linger.next(socket, 5000, 5000), Infinity);
  assert.equal(socket.destroyed, true);
});

await test('without an idle limit it waits for as long as there is something to send', () => {
  const socket = new Queue();
  const linger = new Linger();
  socket.unsent = 1;
  linger.begin(socket, 0);
  assert.equal(linger.next(socket, 1e9, 0), 1e9 + lingerMs);
});

await test('a client that goes on sending is read for longer, but not for ever', () => {
  const socket = new Queue();
  const linger = new Linger();
  linger.begin(socket, 0);
  let now = 1000;
  for (; now < maxLingerMs; now += 1000) {
    linger.hasRead = true;
    assert.equal(linger.next(socket, now, 5000), now + lingerMs);
  }
  linger.hasRead = true;
  assert.equal(linger.next(socket, now, 5000), Infinity);
  assert.equal(socket.destroyed, true);
});

await test('a client that has sent its last is waited for no longer', () => {
  const socket = new Queue();
  const linger = new Linger();
  linger.begin(socket, 0);
  linger.hasRead = true;
  assert.equal(linger.next(socket, 1000, 5000), 1000 + lingerMs);
  assert.equal(linger.next(socket, 2000, 5000), Infinity);
});
