import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FloodGuard } from './flood-guard.ts';

const second = 1000;
const fields = [':method', 'GET', ':scheme', 'https', ':path', '/', ':authority', 'a.test'];

describe('FloodGuard', () => {
  it('takes a few frames of any kind at once', () => {
    const guard = new FloodGuard(0);
    assert.ok(guard.check(1000 * 17, second));
  });

  it('takes a PING a second for ever', () => {
    const guard = new FloodGuard(0);
    let bytes = 0;
    for (let i = 1; i <= 100_000; i++) assert.ok(guard.check((bytes += 17), i * second));
  });

  it('refuses what nothing explains, at once or over time', () => {
    assert.equal(new FloodGuard(0).check(100_000, second), false);
    const slow = new FloodGuard(0);
    let at = 0;
    let bytes = 0;
    while (slow.check((bytes += 8000), (at += second)) && at < 60 * second);
    assert.ok(at < 60 * second);
  });

  it('explains requests with window updates for their responses', () => {
    const guard = new FloodGuard(0);
    let bytes = 0;
    for (let i = 1; i <= 1000; i++) {
      for (let k = 0; k < 100; k++) {
        guard.head(fields);
        guard.sent(1000);
        bytes += 9 + 40 + 4 * 13;
      }
      assert.ok(guard.check(bytes, i * second));
    }
  });

  it('explains bodies, in large frames and in small ones', () => {
    const guard = new FloodGuard(0);
    let bytes = 0;
    for (const size of [1, 100, 16_384]) {
      for (let i = 0; i < 10_000; i++) {
        guard.data(size);
        bytes += 9 + size;
      }
      assert.ok(guard.check(bytes, second));
    }
  });

  it('does not mind bytes that come after their reason', () => {
    const guard = new FloodGuard(0);
    guard.forgive(64 * 1024);
    assert.ok(guard.check(0, second));
    assert.ok(guard.check(60_000, 2 * second));
  });

  it('forgets what was explained too much', () => {
    const guard = new FloodGuard(0);
    guard.forgive(1024 * 1024);
    for (let i = 1; i <= 20; i++) assert.ok(guard.check(0, i * second));
    assert.equal(guard.check(100_000, 21 * second), false);
  });
});
