/** All subjects probed once, and their rows for docs/reference/support.md. */
import { explain } from './explained.ts';
import { gatewayApiSubjects } from './gateway-api-world.ts';
import { istioSubjects } from './istio-world.ts';
import { kongSubjects } from './kong-world.ts';
import { probe, type ProbeResult } from './probe.ts';
import type { Subject } from './subject.ts';
import { weirSubjects } from './weir-world.ts';

export const subjects: readonly Subject[] = [...istioSubjects, ...gatewayApiSubjects, ...kongSubjects, ...weirSubjects];

export interface Support {
  readonly subject: Subject;
  readonly results: readonly ProbeResult[];
}

export async function probeAll(): Promise<readonly Support[]> {
  const all: Support[] = [];
  for (const subject of subjects) all.push({ subject, results: await probe(subject) });
  return all;
}

export function title(subject: Subject): string {
  return `${subject.dialect} ${subject.kind}`;
}

/** Fields that nothing honours, reports or explains: there must be none. */
export function unexplained({ subject, results }: Support): readonly string[] {
  return results
    .filter(({ field, state }) => (state === 'silent' || state === 'unreachable') && explain(title(subject), field) === null)
    .map(({ field, state, note }) => `${title(subject)}: ${field} is ${state} ${note}`.trim());
}

interface Line {
  readonly field: string;
  readonly state: string;
  readonly note: string;
}

/** Rows of one kind: neighbours below one parent that share state and note become one row. */
export function lines(support: Support): readonly Line[] {
  const all = support.results.map(({ field, state, note }): Line => {
    const reason = state === 'silent' || state === 'unreachable' ? explain(title(support.subject), field) : null;
    return reason === null ? { field, state, note } : { field, state: 'no effect', note: reason.why };
  });
  return fold(all);
}

function parentOf(field: string): string {
  const dot = field.lastIndexOf('.');
  return dot === -1 ? '' : field.slice(0, dot);
}

/** Folds groups from the deepest up, as long as one parent's fields all say the same. */
function fold(all: readonly Line[]): readonly Line[] {
  let rows = all;
  const depths = rows.map(({ field }) => field.split('.').length);
  for (let depth = Math.max(...depths); depth > 2; depth--) {
    const groups = new Map<string, Line[]>();
    for (const row of rows)
      if (row.field.split('.').length >= depth)
        groups.set(
          row.field
            .split('.')
            .slice(0, depth - 1)
            .join('.'),
          [
            ...(groups.get(
              row.field
                .split('.')
                .slice(0, depth - 1)
                .join('.'),
            ) ?? []),
            row,
          ],
        );
    const folded = new Map<string, Line>();
    for (const [parent, group] of groups) {
      const same = group.every((row) => row.state === group[0].state && row.note === group[0].note && parentOf(row.field) === parent);
      if (same && group.length > 1) folded.set(parent, { ...group[0], field: `${parent}.*` });
    }
    const seen = new Set<string>();
    rows = rows.flatMap((row) => {
      const line = folded.get(parentOf(row.field));
      if (line === undefined) return [row];
      if (seen.has(line.field)) return [];
      seen.add(line.field);
      return [line];
    });
  }
  return rows;
}
