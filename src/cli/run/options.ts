import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { parseDuration, parseHostPort, parseLabels } from '../shared.ts';
import { defaultMaxConnections, defaultMaxMemoryBytes } from './machine-limits.ts';

/** Flags of `run` as commander gives them. */
export interface RunFlags {
  readonly file: readonly string[];
  readonly admin: { readonly host: string; readonly port: number };
  readonly adminToken?: string;
  readonly workers: number;
  readonly mapPort: ReadonlyMap<number, number>;
  readonly bind: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly data: string;
  readonly drainTimeout: number;
  readonly logFormat?: string;
  readonly accessLog: string;
  readonly logLevel: 'debug' | 'info' | 'warning' | 'error';
  readonly watch: boolean;
  readonly devCertificate?: string;
  readonly maxConnections: number;
  /** Bytes; 0: no bound. */
  readonly maxMemory: number;
}

/** Flags that `run` and `demo` share. Each is a `WEIR_…` variable too. */
export function addRunOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--admin <host:port>', 'admin address')
        .argParser(parseHostPort)
        .default({ host: '127.0.0.1', port: 9901 }, '127.0.0.1:9901')
        .env('WEIR_ADMIN'),
    )
    .addOption(
      new Option('--admin-token <token>', 'asked for at the admin address; needed when it is not a loopback one').env('WEIR_ADMIN_TOKEN'),
    )
    .addOption(
      new Option('--workers <n>', 'data workers (default: the CPUs this process may use)')
        .argParser(parseWorkers)
        .default(availableParallelism(), 'CPUs')
        .env('WEIR_WORKERS'),
    )
    .addOption(
      new Option('--map-port <from:to>', 'listen on TO where the configuration says FROM; repeatable')
        .argParser(parseMapPort)
        .default(new Map(), 'none')
        .env('WEIR_MAP_PORT'),
    )
    .addOption(new Option('--bind <address>', 'address of listeners that name none').default('::', 'all interfaces').env('WEIR_BIND'))
    .addOption(
      new Option('--labels <k=v,...>', 'which Istio Gateway selectors are served (default: all)').argParser(parseLabels).env('WEIR_LABELS'),
    )
    .addOption(
      new Option('--data <dir>', 'directory for what must outlive the process; made when it is needed').default('./.weir').env('WEIR_DATA'),
    )
    .addOption(
      new Option('--drain-timeout <duration>', 'longest wait for requests under way at the end')
        .argParser(parseDuration)
        .default(45_000, '45s')
        .env('WEIR_DRAIN_TIMEOUT'),
    )
    .addOption(
      new Option(
        '--log-format <format>',
        "access log: text, json or a string of Envoy's operators (default: text on a terminal, else json)",
      ).env('WEIR_LOG_FORMAT'),
    )
    .addOption(
      new Option('--access-log <path>', 'file of the access log, - for standard output, off for none').default('-').env('WEIR_ACCESS_LOG'),
    )
    .addOption(
      new Option('--log-level <level>', "the process's own log, on standard error")
        .choices(['debug', 'info', 'warning', 'error'])
        .default('info')
        .env('WEIR_LOG_LEVEL'),
    )
    .addOption(
      new Option(
        '--dev-certificate <host>',
        'HTTPS on port 8443 beside the plain HTTP listener, with a self-signed certificate for HOST, made anew at each start',
      )
        .argParser(parseHostName)
        .env('WEIR_DEV_CERTIFICATE'),
    )
    .addOption(
      new Option('--max-connections <n>', 'client connections at a time, over all listeners; 0 for no limit')
        .argParser(parseCount)
        .default(defaultMaxConnections(), 'three quarters of the file descriptors, at most 50000')
        .env('WEIR_MAX_CONNECTIONS'),
    )
    .addOption(
      new Option('--max-memory <size>', 'memory of the process above which new requests get 503, as 512Mi or 2Gi; 0 for no bound')
        .argParser(parseSize)
        .default(defaultMaxMemoryBytes(), '90 % of what the container or machine has')
        .env('WEIR_MAX_MEMORY'),
    )
    .addOption(
      new Option('--no-watch', 'do not apply changes of the files (env: WEIR_WATCH=false)').default(process.env['WEIR_WATCH'] !== 'false'),
    );
}

function parseWorkers(text: string): number {
  const workers = Number(text);
  if (!Number.isInteger(workers) || workers < 1 || workers > 256) throw new InvalidArgumentError('write a number from 1 to 256.');
  return workers;
}

function parseHostName(text: string): string {
  const host = text.toLowerCase();
  const isName =
    host.length <= 253 && /^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/.test(host);
  if (isIP(host) === 0 && !isName) throw new InvalidArgumentError('write a host name, for example localhost, or an IP address.');
  return host;
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count > 10_000_000) throw new InvalidArgumentError('write a number from 0 to 10000000.');
  return count;
}

const units: Readonly<Record<string, number>> = { '': 1, K: 1e3, M: 1e6, G: 1e9, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

/** Bytes, as Kubernetes writes quantities of memory. */
export function parseSize(text: string): number {
  const [, number, unit] = /^(\d{1,15})(|K|M|G|Ki|Mi|Gi)$/.exec(text) ?? [];
  if (number === undefined || unit === undefined) throw new InvalidArgumentError('write a number of bytes with K, M, G, Ki, Mi or Gi.');
  return Number(number) * units[unit];
}

/** `80:8080`; several of them separated by commas. `80:0` takes any free port. */
function parseMapPort(text: string, previous: ReadonlyMap<number, number>): ReadonlyMap<number, number> {
  const ports = new Map(previous);
  for (const pair of text.split(',')) {
    const match = /^(\d{1,5}):(\d{1,5})$/.exec(pair.trim());
    const from = Number(match?.[1]);
    const to = Number(match?.[2]);
    if (match === null || from < 1 || from > 65_535 || to > 65_535) throw new InvalidArgumentError('write FROM:TO, for example 80:8080.');
    ports.set(from, to);
  }
  return ports;
}
