/** `node tests/soak/change.ts --changes 1000`: configuration changes under load, figures to standard output. Exit 1 when anything was lost. */
import { parseArgs } from 'node:util';
import { runChanges } from './change-scenario.ts';
import { lostAnything } from './change-verdict.ts';

const { values } = parseArgs({ options: { changes: { type: 'string', default: '1000' } } });
const report = await runChanges(Number(values.changes), (text) => console.log(text));
const { load, transfers, stderr, ...figures } = report;
const lost = lostAnything(report);
console.log(
  JSON.stringify(
    { ...figures, load: { ...load, statuses: Object.fromEntries(load.statuses) }, transfers: { ...transfers, statuses: undefined }, lost },
    null,
    2,
  ),
);
if (lost.length > 0) {
  console.error(stderr.slice(-4000));
  process.exitCode = 1;
}
