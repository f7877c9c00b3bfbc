import { createServer, type Server } from 'node:net';
import type { Binding } from '../../model/events.ts';
import type { WorkerRuntime } from '../runtime.ts';
import { takeHandles } from './accepted.ts';
import { serveHandle, serveHttp1 } from './dispatch.ts';
import { Intake } from './intake.ts';
import type { Gate } from './gate.ts';
import type { ListenerRuntime } from './listener-runtime.ts';

/** Path of a Unix socket, as systems take it; null for an IP address. `@name` is an abstract one (Envoy's pipe). */
function pathOf(address: string): string | null {
  if (address.startsWith('@')) return `\0${address.slice(1)}`;
  return address.startsWith('/') ? address : null;
}

/** Connections that wait to be accepted, per worker. */
const backlog = 4096;
/** How long the socket of a removed listener goes on answering (with `Connection: close`) after its last accept, ms. */
const quietMs = 500;
const maxLingerMs = 10_000;

interface Bound {
  readonly key: string;
  readonly server: Server;
  runtime: ListenerRuntime;
  lastAccept: number;
  closing: ReturnType<typeof setTimeout> | null;
}

/**
 * The listening sockets of one worker. A socket that keeps its address is never closed for an edit: closing a reusePort
 * socket resets what waits in its accept queue. A removed one goes on accepting until it has been
 * quiet for a while.
 */
export class Sockets {
  private readonly bound = new Map<string, Bound>();
  private readonly worker: WorkerRuntime;
  private readonly gate: Gate;
  private readonly index: number;

  /** `index` of the worker: the first one alone opens Unix sockets, which several cannot share. */
  constructor(worker: WorkerRuntime, gate: Gate, index: number) {
    this.worker = worker;
    this.gate = gate;
    this.index = index;
  }

  /** Opens and retires sockets so that exactly `bindings` serve. Resolves with the bindings that could not be opened. */
  async apply(
    bindings: readonly Binding[],
    find: (listener: string) => ListenerRuntime | null,
  ): Promise<{ readonly listener: string; readonly reason: string }[]> {
    const wanted = new Map(bindings.map((binding) => [`${binding.address}|${binding.port}`, binding]));
    for (const entry of this.bound.values()) if (!wanted.has(entry.key)) this.retire(entry);
    const failed: { listener: string; reason: string }[] = [];
    for (const [key, binding] of wanted) {
      const runtime = find(binding.listener);
      if (runtime === null) continue;
      const known = this.bound.get(key);
      if (known !== undefined) {
        if (known.closing !== null) clearTimeout(known.closing);
        known.closing = null;
        known.runtime = runtime;
        continue;
      }
      if (pathOf(binding.address) !== null && this.index !== 0) continue;
      const reason = await this.open(key, binding, runtime);
      if (reason !== null) failed.push({ listener: binding.listener, reason });
    }
    return failed;
  }

  private open(key: string, binding: Binding, runtime: ListenerRuntime): Promise<string | null> {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true });
    const entry: Bound = { key, server, runtime, lastAccept: 0, closing: null };
    server.on('connection', (socket) => {
      entry.lastAccept = performance.now();
      const { runtime: at } = entry;
      if (!this.admits(entry)) socket.destroy();
      else if (at.isPlain) serveHttp1(this.worker, at, socket, null);
      else new Intake(this.worker, at, socket).begin();
    });
    return new Promise((resolve) => {
      server.once('error', (error) => resolve(error.message));
      const path = pathOf(binding.address);
      const place = path === null ? { host: binding.address, port: binding.port, reusePort: true } : { path };
      server.listen({ ...place, backlog, exclusive: true }, () => {
        server.removeAllListeners('error');
        takeHandles(server, (handle) => this.take(entry, handle));
        server.on('error', (error) => this.worker.onFault(error));
        this.bound.set(key, entry);
        resolve(null);
      });
    });
  }

  private admits({ runtime: at }: Bound): boolean {
    const refusal = this.gate.refusal(at);
    if (refusal !== null) this.worker.telemetry.connectionRefused(at.name, refusal);
    return refusal === null;
  }

  /** Most connections are plain from their first byte and need no socket but ours. False: this one is not. */
  private take(entry: Bound, handle: Parameters<typeof serveHandle>[2]): boolean {
    entry.lastAccept = performance.now();
    if (!entry.runtime.isPlain) return false;
    if (!this.admits(entry)) handle.close();
    else {
      handle.setNoDelay(true);
      serveHandle(this.worker, entry.runtime, handle);
    }
    return true;
  }

  private retire(entry: Bound): void {
    if (entry.closing !== null) return;
    entry.runtime.closing = true;
    const since = performance.now();
    const check = (): void => {
      const now = performance.now();
      if (now - Math.max(entry.lastAccept, since) < quietMs && now - since < maxLingerMs) {
        entry.closing = setTimeout(check, quietMs / 2);
        return;
      }
      // Right after the accepts of this turn: the queue is as empty as it gets.
      setImmediate(() => {
        if (entry.closing === null) return;
        this.bound.delete(entry.key);
        entry.server.close();
        for (const connection of entry.runtime.connections) {
          if (connection.goAway !== undefined) connection.goAway();
          else if (connection.isIdle) connection.close();
        }
      });
    };
    entry.closing = setTimeout(check, quietMs);
  }

  /** Monotonic ms of the last accept on any socket; 0 for none. */
  get lastAccept(): number {
    let last = 0;
    for (const entry of this.bound.values()) last = Math.max(last, entry.lastAccept);
    return last;
  }

  closeAll(): void {
    for (const entry of this.bound.values()) {
      if (entry.closing !== null) clearTimeout(entry.closing);
      entry.server.close();
    }
    this.bound.clear();
  }
}
