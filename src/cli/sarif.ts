import { messages } from '../analysis/messages.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { version } from './version.ts';

const levels = { error: 'error', warning: 'warning', info: 'note' } as const;
const specs: ReadonlyMap<string, { readonly title: string; readonly explanation: string }> = new Map(Object.entries(messages));

/** SARIF 2.1.0, as code hosts show it beside the lines. */
export function sarif(diagnostics: readonly Diagnostic[]): unknown {
  const codes = [...new Set(diagnostics.map(({ code }) => code))].sort();
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'weir',
            version: version(),
            rules: codes.map((id) => ({
              id,
              shortDescription: { text: specs.get(id)?.title ?? id },
              fullDescription: { text: specs.get(id)?.explanation ?? id },
            })),
          },
        },
        results: diagnostics.map(({ code, severity, message, hint, file, line, column }) => ({
          ruleId: code,
          ruleIndex: codes.indexOf(code),
          level: levels[severity],
          message: { text: hint === undefined ? message : `${message}\n${hint}` },
          ...(file === ''
            ? {}
            : {
                locations: [
                  {
                    physicalLocation: {
                      artifactLocation: { uri: file },
                      ...(line > 0 ? { region: { startLine: line, startColumn: column } } : {}),
                    },
                  },
                ],
              }),
        })),
      },
    ],
  };
}
