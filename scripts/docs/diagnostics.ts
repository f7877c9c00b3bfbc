import { messages, type MessageSpec } from '../../src/analysis/messages.ts';
import { generated, table, type Page } from './page.ts';

const ranges: Readonly<Record<string, string>> = {
  '01': 'Loading and checking documents',
  '02': 'Istio',
  '03': 'Gateway API and Kubernetes',
  '04': 'Kong',
  '05': "Weir's own kinds and filters",
  '06': 'Across resources',
  '07': 'At run time',
};

/** docs/reference/diagnostics.md: every code, with an anchor that diagnostics point to. */
export function diagnosticsPages(): readonly Page[] {
  const all: readonly (readonly [string, MessageSpec])[] = Object.entries(messages);
  const sorted = [...all].sort(([a], [b]) => (a < b ? -1 : 1));
  let text = `${generated}# Diagnostics

Every problem that Weir finds in a document has one of these codes. A code keeps its meaning for ever. \`weir validate\` prints
\`file:line:column severity CODE message\`, a hint where there is one, and exits with 1 when one of them is an error. An **error** keeps the
resource out, or its last good version in force; a **warning** changes nothing; an **info** is worth knowing.

`;
  text += table(
    ['code', 'severity', 'what'],
    sorted.map(([code, spec]) => [`[${code}](#${code.toLowerCase()})`, spec.severity, spec.title]),
  );
  let range = '';
  for (const [code, spec] of sorted) {
    const next = code.slice(2, 4);
    if (next !== range) text += `\n## ${ranges[next] ?? next}\n`;
    range = next;
    text += `\n### ${code}\n\n**${spec.title}** (${spec.severity})\n\n${spec.explanation}\n`;
  }
  return [{ path: 'docs/reference/diagnostics.md', text }];
}
