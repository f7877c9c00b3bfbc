import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadline, Wheel } from './wheel.ts';

const never = (error: unknown): void => assert.fail(String(error));

function rig(onFault: (error: unknown) => void = never) {
  const wheel = new Wheel(10, 0, onFault);
  const fired: string[] = [];
  const deadline = (name: string, then: () => void = () => undefined): Deadline =>
    new Deadline((now) => {
      fired.push(`${name}@${now}`);
      then();
    });
  return { wheel, fired, deadline };
}

test('fires after its time, never before it, and once', () => {
  const { wheel, fired, deadline } = rig();
  wheel.arm(deadline('a'), 35);
  wheel.advance(30);
  assert.deepEqual(fired, []);
  wheel.advance(39);
  assert.deepEqual(fired, []);
  wheel.advance(40);
  wheel.advance(10_000);
  assert.deepEqual(fired, ['a@40']);
});

test('later than one turn of the wheel', () => {
  const { wheel, fired, deadline } = rig();
  wheel.arm(deadline('a'), 20_000);
  wheel.advance(19_999);
  assert.deepEqual(fired, []);
  wheel.advance(20_000);
  assert.deepEqual(fired, ['a@20000']);
});

test('moves later and earlier, and goes', () => {
  const { wheel, fired, deadline } = rig();
  const [later, earlier, gone, disarmed] = ['later', 'earlier', 'gone', 'disarmed'].map((name) => deadline(name));
  for (const one of [later, earlier, gone, disarmed]) wheel.arm(one, 100);
  wheel.arm(later, 150);
  wheel.arm(earlier, 50);
  wheel.remove(gone);
  wheel.arm(disarmed, Infinity);
  wheel.advance(50);
  assert.deepEqual(fired, ['earlier@50']);
  wheel.advance(140);
  assert.deepEqual(fired, ['earlier@50']);
  wheel.advance(150);
  assert.deepEqual(fired, ['earlier@50', 'later@150']);
});

test('a deadline that fires may take out and set any other of its slot', () => {
  // Every order in which three deadlines of one slot can be linked, each doing it to each.
  for (const actor of [0, 1, 2, 3])
    for (const target of [0, 1, 2, 3])
      for (const act of ['remove', 'remove and arm', 'arm'] as const) {
        const { wheel, fired, deadline } = rig();
        const all: Deadline[] = [0, 1, 2, 3].map((i) =>
          deadline(String(i), () => {
            // Again itself, as connections do.
            if (i !== actor || fired.length > 4) return;
            wheel.arm(all[actor], 100);
            if (act !== 'arm') wheel.remove(all[target]);
            if (act !== 'remove') wheel.arm(all[target], 200);
          }),
        );
        const other = deadline('other');
        for (const one of all) wheel.arm(one, 50);
        wheel.arm(other, 100);
        wheel.advance(300);
        const names = fired.map((line) => line.slice(0, line.indexOf('@')));
        const what = `${actor} does '${act}' to ${target}: ${names.join(' ')}`;
        for (const i of [0, 1, 2, 3]) if (i !== target) assert.ok(names.includes(String(i)), what);
        if (act !== 'remove') assert.ok(names.includes(String(target)), what);
        assert.equal(names.filter((name) => name === 'other').length, 1, what);
        assert.ok(names.length <= 8, what);
      }
});

test('a fault in one keeps none of the others', () => {
  const faults: unknown[] = [];
  const { wheel, fired, deadline } = rig((error) => faults.push(error));
  for (const name of ['a', 'b', 'c'])
    wheel.arm(
      deadline(name, () => {
        throw new Error(name);
      }),
      20,
    );
  wheel.advance(20);
  assert.equal(fired.length, 3);
  assert.equal(faults.length, 3);
});
