import { styleText } from 'node:util';

export type LogLevel = 'debug' | 'info' | 'warning' | 'error';
export const logLevels: readonly LogLevel[] = ['debug', 'info', 'warning', 'error'];

export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** The process's own log (not the access log), to standard error. */
export class Log {
  level: LogLevel = 'info';
  readonly #format: 'text' | 'json';
  readonly #write: (text: string) => void;
  readonly #color: boolean;

  constructor(
    format: 'text' | 'json',
    write: (text: string) => void = (text) => process.stderr.write(text),
    color = process.stderr.isTTY === true,
  ) {
    this.#format = format;
    this.#write = write;
    this.#color = color;
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#log('debug', message, fields);
  }

  info(message: string, fields: LogFields = {}): void {
    this.#log('info', message, fields);
  }

  warning(message: string, fields: LogFields = {}): void {
    this.#log('warning', message, fields);
  }

  error(message: string, fields: LogFields = {}): void {
    this.#log('error', message, fields);
  }

  #log(level: LogLevel, message: string, fields: LogFields): void {
    if (logLevels.indexOf(level) < logLevels.indexOf(this.level)) return;
    if (this.#format === 'json') {
      this.#write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`);
      return;
    }
    const pairs = Object.entries(fields).map(
      ([name, value]) => ` ${name}=${typeof value === 'string' && /\s/.test(value) ? JSON.stringify(value) : String(value)}`,
    );
    const word = level === 'info' ? '' : `${level}: `;
    const colored = this.#color && word !== '' ? styleText(level === 'error' ? 'red' : level === 'warning' ? 'yellow' : 'dim', word) : word;
    this.#write(`weir: ${colored}${message}${pairs.join('')}\n`);
  }
}
