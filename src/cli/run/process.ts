import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { count } from '../../base/text.ts';
import { isLoopback } from '../../control/admin/guard.ts';
import { boundTo, socket } from '../../control/admin/envoy.ts';
import type { AdminServer } from '../../control/admin/server.ts';
import { startAdmin } from '../../control/admin/server.ts';
import { usableAddress } from '../../control/bindings.ts';
import { Log } from '../../control/log.ts';
import type { ServingState } from '../../control/state.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { logFormat } from '../../telemetry/access-log.ts';
import { countBy, diagnosticText, exitCode, print, wantsColor } from '../shared.ts';
import { version } from '../version.ts';
import { devCertificate } from './dev-certificate.ts';
import { devPort } from './dev-listener.ts';
import { Gateway } from './gateway.ts';
import type { RunFlags } from './options.ts';

export interface RunningProcess {
  readonly gateway: Gateway;
  readonly adminUrl: string;
  /** Drain and exit 0. */
  readonly quit: () => void;
}

/** A start that cannot be: the message for the user and the exit status. */
export class StartError extends Error {
  readonly exitCode: number;
  constructor(message: string, code: number) {
    super(message);
    this.exitCode = code;
  }
}

/** For a caller that runs more than the gateway. */
export interface RunHooks {
  /** The end was asked for; requests under way are still finished. */
  readonly onEnding?: () => void;
  readonly onEnded?: () => void;
}

/** `weir run`. Resolves when it serves; the process then lives until a signal or `POST /quitquitquit`. */
export async function run(flags: RunFlags, hooks: RunHooks = {}): Promise<RunningProcess | null> {
  try {
    return await start(flags, hooks);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    await print(process.stderr, `weir: ${error.message}\n`);
    process.exit(error.exitCode);
  }
}

async function start(given: RunFlags, hooks: RunHooks): Promise<RunningProcess> {
  const accessLog = checkFlags(given);
  const flags = { ...given, bind: await usableAddress(given.bind) };
  const log = new Log(flags.logFormat === 'json' ? 'json' : 'text');
  log.level = flags.logLevel;
  const gateway = createGateway(flags, accessLog, log);
  let ending = false;
  const quit = (): void => {
    if (ending) return;
    ending = true;
    hooks.onEnding?.();
    end(gateway, admin, flags.drainTimeout, log, hooks).catch((error: unknown) => {
      log.error(`the end failed: ${String(error)}`);
      process.exit(exitCode.unavailable);
    });
  };
  let admin: AdminServer | null = null;
  onSignals(gateway, quit, () => ending, log);
  const [adminServer] = await Promise.all([openAdmin(gateway, flags, log, quit), startGateway(gateway)]);
  admin = adminServer;
  const { state } = gateway;
  const verdict = startVerdict(state);
  if (verdict !== null) {
    await gateway.close();
    throw verdict;
  }
  const adminUrl = `http://${socket(flags.admin.host, admin.port)}/`;
  for (const binding of state.bindings)
    log.info(
      `listening on ${boundTo(binding)}`,
      binding.listener.replace(/\/udp$/, '').endsWith(`:${binding.port}`) ? {} : { listener: binding.listener },
    );
  if (flags.devCertificate !== undefined)
    log.warning(
      `a development certificate for ${flags.devCertificate}, which nobody should trust, serves on port ${flags.mapPort.get(devPort) ?? devPort}`,
    );
  log.info(`admin address ${adminUrl}`);
  log.info(`ready in ${Math.round(performance.now())} ms`, { workers: gateway.workersReady, revision: state.revision });
  return { gateway, adminUrl, quit };
}

/** Throws a usage error for flags that do not go together. Gives the access-log format. */
function checkFlags(flags: RunFlags): string | null {
  const { host } = flags.admin;
  if (!isLoopback(host) && (flags.adminToken ?? '') === '') {
    throw new StartError(
      `--admin ${host} can be reached from other machines: set --admin-token or WEIR_ADMIN_TOKEN, or bind 127.0.0.1`,
      exitCode.usage,
    );
  }
  const format = flags.logFormat ?? (process.stdout.isTTY === true ? 'text' : 'json');
  const checked = logFormat(format);
  if (!checked.ok) throw new StartError(`--log-format: ${checked.error}`, exitCode.usage);
  checkDataDirectory(flags.data);
  return flags.accessLog === 'off' ? null : format;
}

/** The directory, or the nearest parent that exists, must take files. */
function checkDataDirectory(path: string): void {
  let directory = resolve(path);
  let stat = statSync(directory, { throwIfNoEntry: false });
  while (stat === undefined && dirname(directory) !== directory) {
    directory = dirname(directory);
    stat = statSync(directory, { throwIfNoEntry: false });
  }
  try {
    if (stat?.isDirectory() !== true) throw new Error('it is not a directory');
    accessSync(directory, constants.W_OK);
  } catch (error) {
    if (directory === resolve('.') && path === './.weir') return;
    throw new StartError(`--data ${path} cannot be used: ${error instanceof Error ? error.message : String(error)}`, exitCode.unavailable);
  }
}

function createGateway(flags: RunFlags, accessLog: string | null, log: Log): Gateway {
  const told = new Set<string>();
  const onDiagnostics = (diagnostics: readonly Diagnostic[]): void => {
    const color = wantsColor(process.stderr);
    const texts = diagnostics.map((diagnostic) =>
      flags.logFormat === 'json' ? `${JSON.stringify(diagnostic)}\n` : diagnosticText(diagnostic, color),
    );
    const fresh = texts.filter((text) => !told.has(text));
    told.clear();
    for (const text of texts) told.add(text);
    if (fresh.length > 0) process.stderr.write(fresh.join(''));
  };
  try {
    return new Gateway(
      {
        paths: flags.file,
        stdin: flags.file.includes('-') ? readFileSync(0, 'utf8') : null,
        translate: { bind: flags.bind, labels: flags.labels ?? null },
        workers: flags.workers,
        ports: flags.mapPort,
        watch: flags.watch,
        dev: flags.devCertificate === undefined ? null : devCertificate(flags.devCertificate, Date.now()),
        maxConnections: flags.maxConnections,
        maxMemoryBytes: flags.maxMemory,
        accessLog,
        accessLogPath: flags.accessLog === '-' || flags.accessLog === 'off' ? null : flags.accessLog,
        onDiagnostics,
      },
      log,
    );
  } catch (error) {
    throw new StartError(error instanceof Error ? error.message : String(error), exitCode.unavailable);
  }
}

async function startGateway(gateway: Gateway): Promise<void> {
  try {
    await gateway.start();
  } catch (error) {
    throw new StartError(error instanceof Error ? error.message : String(error), exitCode.unavailable);
  }
}

async function openAdmin(gateway: Gateway, flags: RunFlags, log: Log, quit: () => void): Promise<AdminServer> {
  const { host, port } = flags.admin;
  const source = {
    version: version(),
    log,
    state: () => gateway.state,
    ready: () => gateway.ready,
    workersReady: () => gateway.workersReady,
    describe: () => gateway.describe(),
    metrics: gateway.metrics,
    ask: gateway.ask.bind(gateway),
    drain: () => void gateway.drain(flags.drainTimeout),
    quit,
  };
  try {
    return await startAdmin(source, { address: host, port, token: flags.adminToken ?? null });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new StartError(
      `the admin address ${socket(host, port)} cannot be bound (${code}): choose another one with --admin HOST:PORT`,
      exitCode.unavailable,
    );
  }
}

/** Why there is no point in running on; null when there is. */
function startVerdict(state: ServingState): StartError | null {
  if (state.bindings.length > 0) return null;
  if (state.unprogrammed.size > 0) return new StartError('no listener could be bound', exitCode.unavailable);
  const errors = countBy(state.diagnostics, 'error');
  return errors > 0 ? new StartError(`nothing to serve: ${count(errors, 'error')} in the configuration`, exitCode.findings) : null;
}

function onSignals(gateway: Gateway, quit: () => void, ending: () => boolean, log: Log): void {
  for (const [signal, number] of [
    ['SIGTERM', 15],
    ['SIGINT', 2],
  ] as const) {
    process.on(signal, () => {
      // Somebody who asks twice does not want to wait.
      if (ending()) process.exit(128 + number);
      log.info(`${signal}: finishing the requests under way; once more ends at once`);
      quit();
    });
  }
  process.on('SIGHUP', () => void gateway.reload('SIGHUP'));
  process.on('SIGUSR1', () => gateway.reopenLogs());
}

async function end(gateway: Gateway, admin: AdminServer | null, drainTimeoutMs: number, log: Log, hooks: RunHooks): Promise<void> {
  await gateway.drain(drainTimeoutMs);
  await gateway.close();
  hooks.onEnded?.();
  admin?.close();
  log.info('ended');
  process.exit(exitCode.success);
}
