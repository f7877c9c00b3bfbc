import { createServer } from 'node:net';
import { diagnose } from '../analysis/messages.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Binding, SnapshotSummary } from '../model/events.ts';

type ListenerSummary = SnapshotSummary['listeners'][number];

/** Binds an address once, without sharing it, and lets go of it. Resolves to the port; rejects with the system's error. */
export type Preflight = (address: string, port: number) => Promise<number>;

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
      const mapped = this.#ports.get(listener.port) ?? listener.port;
      const before = this.#held.get(listener.name);
      const port = mapped === 0 && before !== undefined ? before.port : mapped;
      const socket = `${listener.address} ${port}`;
      const holder = port === 0 ? undefined : sockets.get(socket);
      if (holder !== undefined) {
        refuse(listener, sharedPort(listener, holder, port));
        continue;
      }
      const found = await this.#free(listener.address, port);
      if (typeof found === 'number') {
        sockets.set(`${listener.address} ${found}`, listener);
        next.set(listener.name, { listener: listener.name, address: listener.address, port: found });
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
    const kept = new Set([...next.values()].map(({ address, port }) => `${address} ${port}`));
    for (const { address, port } of this.held) if (!kept.has(`${address} ${port}`)) this.#released.set(`${address} ${port}`, now);
  }

  /** Whether a listener without a socket could have one now. */
  async wouldChange(listeners: readonly ListenerSummary[]): Promise<boolean> {
    for (const listener of listeners) {
      if (this.#held.has(listener.name)) continue;
      const port = this.#ports.get(listener.port) ?? listener.port;
      if (this.held.some((held) => held.port === port && held.address === listener.address)) continue;
      if (typeof (await this.#free(listener.address, port)) === 'number') return true;
    }
    return false;
  }

  /** The port, or the error code of the system. */
  async #free(address: string, port: number): Promise<number | string> {
    // Our own workers hold it, or a socket that overlaps it: asking would find ourselves.
    const ours = this.held.some((held) => held.port === port && (held.address === address || isAny(held.address) || isAny(address)));
    if (ours) return port;
    try {
      return await this.#preflight(address, port);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      const releasedAt = this.#released.get(`${address} ${port}`) ?? -Infinity;
      return code === 'EADDRINUSE' && this.#now() - releasedAt < lingerMs ? port : code;
    }
  }
}

function isAny(address: string): boolean {
  return address === '::' || address === '0.0.0.0' || address === '';
}

function place({ file, line }: ListenerSummary) {
  return { file, line, column: line === 0 ? 0 : 1 };
}

function sharedPort(listener: ListenerSummary, holder: ListenerSummary, port: number): Diagnostic {
  return diagnose(
    'WR0703',
    place(listener),
    null,
    `${listener.name} and ${holder.name} (${holder.file}:${holder.line}) both map to port ${port}; the latter keeps it`,
    {
      hint: `Map one of them elsewhere: --map-port ${listener.port}:PORT.`,
    },
  );
}

function taken(listener: ListenerSummary, port: number, code: string): Diagnostic {
  const at = listener.address.includes(':') ? `[${listener.address}]:${port}` : `${listener.address}:${port}`;
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

export function bindOnce(address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host: address === '' ? '::' : address, port, exclusive: true }, () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : port));
    });
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
