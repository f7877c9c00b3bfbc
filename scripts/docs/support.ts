import { generated, table, type Page } from './page.ts';
import { lines, probeAll, type Support } from './support/table.ts';

/** docs/reference/support.md: each field of each dialect, as the compiler treats it. */
export async function supportPages(): Promise<readonly Page[]> {
  const all = await probeAll();
  const states = all.flatMap(({ results }) => results.map(({ state }) => state));
  const count = (state: string): number => states.filter((one) => one === state).length;
  let text = `${generated}# What is supported

Made by setting each field of each schema, one at a time, in a small configuration, and looking at what the compiler makes of it: nothing here is claimed
by hand. A test holds the list to the code: a field that is neither honoured nor reported must have a reason. ${states.length} fields: ${count('honoured')} honoured,
${count('pending')} not yet running, ${count('refused')} refused.

- **honoured**: it changes what runs. Values that do not run yet are named.
- **pending**: understood and checked, does not run yet; a warning (WR0108) says so where it is used.
- **refused**: an error: it restricts access and does not run yet, so its scope answers 503 (WR0109), or the value can never be right where it was tried.
- **reported**: changes nothing but a diagnostic.
- **no effect**: it changes nothing in a gateway; the note says why.

\`[]\` is an element of a list, \`{}\` a value of a map, \`*\` every field below. Fields that are not listed are unknown, and an error (WR0104). Of a Kubernetes
object's \`metadata\`, name, namespace and labels are read; the rest is the API server's.
`;
  const plugins = all.filter(
    ({ subject, results }) => subject.dialect === 'Kong plugin' && results.length === 1 && results[0].field === '*',
  );
  let dialect = '';
  for (const support of all.filter((one) => !plugins.includes(one))) {
    if (support.subject.dialect !== dialect) {
      dialect = support.subject.dialect;
      text += `\n## ${dialect}\n`;
      if (dialect === 'Kong plugin') text += `\n${pluginTable(plugins)}`;
    }
    const rows = lines(support).map(({ field, state, note }) => [field === '*' ? 'the whole kind' : `\`${field}\``, state, note]);
    text += `\n### ${dialect === 'Kong plugin' ? '' : `${dialect} `}${support.subject.kind}\n\n${table(['field', 'state', 'note'], rows)}`;
  }
  return [{ path: 'docs/reference/support.md', text }];
}

function pluginTable(plugins: readonly Support[]): string {
  return `Plugins that do not run are checked against their schemas. Those that keep requests out close their scope.

${table(
  ['plugin', 'state', 'note'],
  plugins.map(({ subject, results }) => [`\`${subject.kind}\``, results[0].state, results[0].note]),
)}`;
}
