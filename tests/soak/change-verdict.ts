import type { ChangeReport } from './change-scenario.ts';

/** Everything that a change must not do and did; empty when nothing was lost. */
export function lostAnything(report: ChangeReport): readonly string[] {
  const { load, transfers, webSockets, mistakes, limits, listening, exit } = report;
  const lost = [...load.problems, ...transfers.problems, ...webSockets.problems, ...mistakes];
  for (const [name, { limit, allowed }] of Object.entries(limits)) {
    if (allowed !== limit) lost.push(`${name}: ${allowed} requests passed a limit of ${limit}`);
  }
  if (listening.before.join(' ') !== listening.after.join(' ') || listening.before.length !== 2) {
    lost.push(`listening sockets ${listening.before.join(' ')} became ${listening.after.join(' ')}`);
  }
  if (exit.code !== 0) lost.push(`exit status ${exit.code ?? exit.signal}`);
  if (/a bug ended one exchange|worker died|did not confirm/.test(report.stderr))
    lost.push('a bug, a dead worker or a late one on standard error');
  return lost;
}
