/** docs/reference/support.md is made by these probes; here they must leave nothing untold. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explained } from '../scripts/docs/support/explained.ts';
import { probe } from '../scripts/docs/support/probe.ts';
import { subjects, title, unexplained } from '../scripts/docs/support/table.ts';

describe('every field of every dialect', () => {
  const used = new Set<string>();
  for (const subject of subjects) {
    it(`is honoured, reported or explained: ${title(subject)}`, async () => {
      const results = await probe(subject);
      assert.ok(results.length > 0);
      assert.deepEqual(unexplained({ subject, results }), []);
      for (const row of explained) {
        if (row.subject !== '*' && row.subject !== title(subject)) continue;
        if (results.some(({ field, state }) => (state === 'silent' || state === 'unreachable') && field.startsWith(row.field)))
          used.add(`${row.subject} ${row.field}`);
      }
    });
  }

  it('has no reason left that nothing needs', () => {
    assert.deepEqual(
      explained.map((row) => `${row.subject} ${row.field}`).filter((row) => !used.has(row)),
      [],
    );
  });

  it('sees a field that is parsed and ignored', async () => {
    const subject = subjects.find((one) => title(one) === 'Istio VirtualService');
    assert.ok(subject !== undefined);
    // The compiler never sees what the probe sets: as if translation ignored every field.
    const deaf = { ...subject, documents: () => subject.documents(subject.bases[0]), parts: [] };
    const results = await probe(deaf);
    assert.ok(unexplained({ subject, results }).length > 50);
  });
});
