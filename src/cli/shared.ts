import { delimiter } from 'node:path';
import { styleText } from 'node:util';
import { InvalidArgumentError, Option } from 'commander';
import type { Diagnostic, Severity } from '../model/diagnostic.ts';

/** What the exit status says (docs/reference/cli.md). */
export const exitCode = { success: 0, findings: 1, usage: 2, unavailable: 3 } as const;

/** `-f PATH`, repeatable; `WEIR_FILE` holds several separated like PATH. */
export function fileOption(): Option {
  const fromEnvironment = process.env['WEIR_FILE'];
  const option = new Option(
    '-f, --file <path>',
    'file, directory (recursive) or - for standard input; repeatable (env: WEIR_FILE, separated like PATH)',
  );
  option.argParser((value: string, previous: unknown) =>
    Array.isArray(previous) && previous !== defaultFiles ? [...previous, value] : [value],
  );
  const defaultFiles = fromEnvironment === undefined || fromEnvironment === '' ? [] : fromEnvironment.split(delimiter);
  if (defaultFiles.length > 0) option.default(defaultFiles);
  else option.makeOptionMandatory();
  return option;
}

/** `a=b,c=d`. */
export function parseLabels(text: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const pair of text.split(',')) {
    const at = pair.indexOf('=');
    if (at < 1) throw new InvalidArgumentError(`write labels as name=value,name=value; "${pair}" is not one.`);
    labels[pair.slice(0, at).trim()] = pair.slice(at + 1).trim();
  }
  return labels;
}

/** `HOST:PORT`, `[IPV6]:PORT`. */
export function parseHostPort(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || host === '' || !(port <= 65_535))
    throw new InvalidArgumentError('write HOST:PORT, for example 127.0.0.1:9901.');
  return { host, port };
}

/** `45s`, `500ms`, `2m`, `1h`; a bare number is seconds. Milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (match === null) throw new InvalidArgumentError('write a duration such as 45s, 500ms or 2m.');
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] ?? 's'] ?? 1000;
  return Math.round(Number(match[1]) * unit);
}

export function countBy(diagnostics: readonly Diagnostic[], severity: Severity): number {
  return diagnostics.filter((diagnostic) => diagnostic.severity === severity).length;
}

const colors = { error: 'red', warning: 'yellow', info: 'cyan' } as const;

/** Control characters of somebody's file are shown, not sent to the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** `file:line:column severity CODE message`, the hint indented below. */
export function diagnosticText(diagnostic: Diagnostic, color: boolean): string {
  const { line, column, severity, code } = diagnostic;
  const [file, message] = [printable(diagnostic.file), printable(diagnostic.message)];
  const hint = diagnostic.hint === undefined ? undefined : printable(diagnostic.hint);
  const where = file === '' ? '' : `${file}${line > 0 ? `:${line}:${column}` : ''} `;
  const word = color ? styleText([colors[severity], 'bold'], severity, { validateStream: false }) : severity;
  const place = color ? styleText('bold', where, { validateStream: false }) : where;
  const help = hint === undefined ? '' : `\n  ${color ? styleText('dim', `hint: ${hint}`, { validateStream: false }) : `hint: ${hint}`}`;
  return `${place}${word} ${code} ${message}${help}\n`;
}

/** Whether this stream wants color: a terminal, and no NO_COLOR. */
export function wantsColor(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
}

/** Writes and waits until the system has it, so that an exit cuts nothing off. */
export function print(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve) => {
    stream.write(text, () => resolve());
  });
}
