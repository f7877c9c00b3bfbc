import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bench, type BenchOptions, type Outcome } from './bench.ts';
import type { Attack, AttackClass } from './row.ts';

/** Each attack whole, and with every line in a piece of its own. */
function waysOf({ send }: Attack): (readonly string[])[] {
  if (typeof send !== 'string') return [send];
  const lines = send.split(/(?<=\r\n)/);
  return lines.length > 1 && lines.length < 60 ? [[send], lines] : [[send]];
}

function judge(attack: Attack, outcome: Outcome): void {
  const { client, statuses, reached, details } = outcome;
  if (attack.refused !== undefined) {
    assert.deepEqual(statuses, [attack.refused.status], client);
    assert.deepEqual(details, [attack.refused.details]);
    assert.match(client, /\r\nconnection: close\r\n/, 'says that it closes');
    assert.ok(!reached.some(({ complete }) => complete), `nothing whole reaches the backend: ${JSON.stringify(reached)}`);
  }
  if (attack.reaches !== undefined) {
    assert.deepEqual(
      reached.map(({ start }) => start),
      attack.reaches,
    );
  }
  attack.also?.(outcome);
}

/** Runs the classes against one proxy. */
export async function runClasses(title: string, classes: readonly AttackClass[], options: BenchOptions = {}): Promise<void> {
  await test(title, async (t) => {
    const bench = await Bench.start(t, options);
    const all = classes.flatMap(({ name, attacks }) =>
      attacks.flatMap((attack) =>
        waysOf(attack).map((pieces, way) => ({ title: `${name}: ${attack.name}${way === 0 ? '' : ', line by line'}`, attack, pieces })),
      ),
    );
    const outcomes = [];
    for (const { title: named, attack, pieces } of all) outcomes.push({ named, attack, outcome: await bench.attack(pieces) });
    // Log lines come in batches: asked for once.
    const details = await bench.details();
    for (const { named, attack, outcome } of outcomes) {
      await t.test(named, () => judge(attack, { ...outcome, details: details.get(outcome.address) ?? [] }));
    }
  });
}
