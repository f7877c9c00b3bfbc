import { createSocket } from 'node:dgram';
import { lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { diagnose } from '../analysis/messages.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Binding, SnapshotSummary } from '../model/events.ts';

type ListenerSummary = SnapshotSummary['listeners'][number];

/** Binds an address once, without sharing it, and lets go of it. Resolves to the port (0: a Unix socket); rejects with the system's error. */
export type Preflight = (address: string, port: number, transport: Transport) => Promise<number>;

type Transport = 'tcp' | 'udp';

/** What a socket is known by: ports of TCP and UDP are apart. */
interface Place {
  readonly address: string;
  readonly port: number;
  readonly transport?: Transport;
}

export interface BindingPlan {
  readonly bindings: readonly Binding[];
  /** Listeners of the configuration that are not programmed, by model name, with the reason. */
  readonly unprogrammed: ReadonlyMap<string, string>;
  readonly diagnostics: readonly Diagnostic[];
}

/** Real port of a port of the configuration; 0 on the right side takes any free port and keeps it. */
export type PortMap = ReadonlyMap<number, number>;

/** Workers go on answering on the socket of a removed listener for at most this long, ms. */
const lingerMs = 12_000;

/**
 * Decides which sockets the workers hold. A new address is first bound by this process alone: with SO_REUSEPORT a port
 * taken by another process of the same user would be shared silently.
 */
export class Bindings {
  readonly #ports: PortMap;
  readonly #preflight: Preflight;
  /** Held by the workers now, by model listener. */
  #held = new Map<string, Binding>();
  /** Sockets given up lately, with the time: what is found taken there may be ourselves. */
  readonly #released = new Map<string, number>();
  readonly #now: () => number;

  constructor(ports: PortMap, preflight: Preflight = bindOnce, now: () => number = Date.now) {
    this.#now = now;
    this.#ports = ports;
    this.#preflight = preflight;
  }

  get held(): readonly Binding[] {
    return [...this.#held.values()];
  }

  async plan(listeners: readonly ListenerSummary[]): Promise<BindingPlan> {
    const next = new Map<string, Binding>();
    const sockets = new Map<string, ListenerSummary>();
    const unprogrammed = new Map<string, string>();
    const diagnostics: Diagnostic[] = [];
    const refuse = (listener: ListenerSummary, diagnostic: Diagnostic): void => {
      unprogrammed.set(listener.name, diagnostic.message);
      diagnostics.push(diagnostic);
    };
    for (const listener of listeners) {
      const { address, transport = 'tcp' } = listener;
      const mapped = isUnix(address) ? 0 : (this.#ports.get(listener.port) ?? listener.port);
      const before = this.#held.get(listener.name);
      const port = mapped === 0 && before !== undefined ? before.port : mapped;
      const socket = keyOf({ address, port, transport });
      const holder = port === 0 && !isUnix(address) ? undefined : sockets.get(socket);
      if (holder !== undefined) {
        refuse(listener, sharedPort(listener, holder, port));
        continue;
      }
      const found = await this.#free({ address, port, transport });
      if (typeof found === 'number') {
        sockets.set(keyOf({ address, port: found, transport }), listener);
        next.set(listener.name, { listener: listener.name, address, port: found, transport });
      } else {
        refuse(listener, taken(listener, port, found));
      }
    }
    this.#release(next);
    this.#held = next;
    return { bindings: [...next.values()], unprogrammed, diagnostics };
  }

  #release(next: ReadonlyMap<string, Binding>): void {
    const now = this.#now();
    for (const [socket, at] of this.#released) if (now - at >= lingerMs) this.#released.delete(socket);
    const kept = new Set([...next.values()].map(keyOf));
    for (const held of this.held) if (!kept.has(keyOf(held))) this.#released.set(keyOf(held), now);
  }

  /** Whether a listener without a socket could have one now. */
  async wouldChange(listeners: readonly ListenerSummary[]): Promise<boolean> {
    for (const listener of listeners) {
      if (this.#held.has(listener.name)) continue;
      const port = this.#ports.get(listener.port) ?? listener.port;
      const place: Required<Place> = { address: listener.address, port, transport: listener.transport ?? 'tcp' };
      if (this.held.some((held) => keyOf(held) === keyOf(place))) continue;
      if (typeof (await this.#free(place)) === 'number') return true;
    }
    return false;
  }

  /** The port, or the error code of the system. */
  async #free(place: Required<Place>): Promise<number | string> {
    const { address, port, transport } = place;
    // Our own workers hold it, or a socket that overlaps it: asking would find ourselves.
    const ours = this.held.some(
      (held) =>
        held.port === port &&
        (held.transport ?? 'tcp') === transport &&
        (held.address === address || (!isUnix(address) && !isUnix(held.address) && (isAny(held.address) || isAny(address)))),
    );
    if (ours) return port;
    try {
      return await this.#preflight(address, port, transport);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      const releasedAt = this.#released.get(keyOf(place)) ?? -Infinity;
      return code === 'EADDRINUSE' && this.#now() - releasedAt < lingerMs ? port : code;
    }
  }
}

function keyOf({ address, port, transport = 'tcp' }: Place): string {
  return `${transport} ${address} ${port}`;
}

/** A path, or `@` and an abstract name. */
function isUnix(address: string): boolean {
  return address.startsWith('/') || address.startsWith('@');
}

function isAny(address: string): boolean {
  return address === '::' || address === '0.0.0.0' || address === '';
}

function place({ file, line }: ListenerSummary) {
  return { file, line, column: line === 0 ? 0 : 1 };
}

function sharedPort(listener: ListenerSummary, holder: ListenerSummary, port: number): Diagnostic {
  const other = `${holder.name} (${holder.file}:${holder.line})`;
  if (isUnix(listener.address)) {
    const message = `${listener.name} and ${other} both listen on ${listener.address}; the latter keeps it`;
    return diagnose('WR0703', place(listener), null, message, { hint: 'Name another path for one of them.' });
  }
  const message = `${listener.name} and ${other} both map to port ${port}; the latter keeps it`;
  return diagnose('WR0703', place(listener), null, message, { hint: `Map one of them elsewhere: --map-port ${listener.port}:PORT.` });
}

function taken(listener: ListenerSummary, port: number, code: string): Diagnostic {
  const { address, transport } = listener;
  if (isUnix(address)) {
    const why = code === 'EADDRINUSE' ? 'is taken by another process' : `cannot be bound (${code})`;
    return diagnose(
      code === 'EADDRINUSE' ? 'WR0701' : 'WR0702',
      place(listener),
      null,
      `${address} ${why}; listener ${listener.name} does not run`,
      {
        hint: 'Name another path, in a directory that this process may write to.',
      },
    );
  }
  const socket = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  const at = transport === 'udp' ? `${socket} (UDP)` : socket;
  if (code === 'EADDRINUSE') {
    return diagnose('WR0701', place(listener), null, `${at} is taken by another process; listener ${listener.name} does not run`, {
      hint: `Stop the process that listens on port ${port}, or listen elsewhere: --map-port ${listener.port}:${freeLooking(port)}.`,
    });
  }
  const hint =
    code === 'EACCES'
      ? `Ports below 1024 need a privilege: listen on another one with --map-port ${listener.port}:${freeLooking(port)}.`
      : code === 'EADDRNOTAVAIL'
        ? 'The address does not belong to this machine: name another one, or leave it out to listen on all.'
        : 'Check the address of the listener.';
  return diagnose('WR0702', place(listener), null, `${at} cannot be bound (${code}); listener ${listener.name} does not run`, { hint });
}

function freeLooking(port: number): number {
  return port < 1024 ? 8000 + port : port + 1;
}

export function bindOnce(address: string, port: number, transport: Transport = 'tcp'): Promise<number> {
  if (isUnix(address)) return bindUnix(address);
  return new Promise((resolve, reject) => {
    if (transport === 'udp') {
      const socket = createSocket({ type: address.includes(':') || address === '' ? 'udp6' : 'udp4' });
      socket.once('error', reject);
      socket.bind({ address: address === '' ? '::' : address, port, exclusive: true }, () => {
        const bound = socket.address().port;
        socket.close(() => resolve(bound));
      });
      return;
    }
    const server = createServer();
    server.once('error', reject);
    server.listen({ host: address === '' ? '::' : address, port, exclusive: true }, () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : port));
    });
  });
}

/** A socket file that nobody answers on was left by a process that died: it goes. */
async function bindUnix(address: string): Promise<number> {
  const path = address.startsWith('@') ? `\0${address.slice(1)}` : address;
  const refusal = await new Promise<string>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve('');
    });
    socket.on('error', (error) => resolve('code' in error ? String(error.code) : error.message));
  });
  if (refusal === '') throw Object.assign(new Error('in use'), { code: 'EADDRINUSE' });
  if (refusal === 'ECONNREFUSED' && address.startsWith('/')) {
    if (!lstatSync(path).isSocket()) throw Object.assign(new Error('not a socket'), { code: 'EADDRINUSE' });
    unlinkSync(path);
  }
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ path, exclusive: true }, () => server.close(() => resolve(0)));
  });
}

/** A machine without IPv6 cannot bind `::`; there all interfaces are 0.0.0.0. */
export async function usableAddress(address: string): Promise<string> {
  if (address !== '::') return address;
  try {
    await bindOnce(address, 0);
    return address;
  } catch {
    return '0.0.0.0';
  }
}
