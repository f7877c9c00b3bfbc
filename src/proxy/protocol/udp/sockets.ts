import type { Binding } from '../../../model/events.ts';
import type { Gate } from '../../listen/gate.ts';
import type { ListenerRuntime } from '../../listen/listener-runtime.ts';
import type { WorkerRuntime } from '../../runtime.ts';
import { UdpServer } from './server.ts';

/** The UDP sockets of one worker. One that keeps its address is never closed for an edit. */
export class UdpSockets {
  private readonly bound = new Map<string, UdpServer>();
  private readonly worker: WorkerRuntime;
  private readonly gate: Gate;

  constructor(worker: WorkerRuntime, gate: Gate) {
    this.worker = worker;
    this.gate = gate;
  }

  /** Opens and closes sockets so that exactly `bindings` serve. Resolves with those that could not be opened. */
  async apply(
    bindings: readonly Binding[],
    find: (listener: string) => ListenerRuntime | null,
  ): Promise<{ readonly listener: string; readonly reason: string }[]> {
    const wanted = new Map(bindings.map((binding) => [`${binding.address}|${binding.port}`, binding]));
    for (const [key, server] of this.bound) {
      if (wanted.has(key)) continue;
      this.bound.delete(key);
      server.close();
    }
    const failed: { listener: string; reason: string }[] = [];
    for (const [key, { listener, address, port }] of wanted) {
      const runtime = find(listener);
      if (runtime === null) continue;
      const known = this.bound.get(key);
      if (known !== undefined) {
        known.apply(runtime);
        continue;
      }
      const server = new UdpServer(this.worker, this.gate, runtime, { address, port });
      const reason = await server.open();
      if (reason === null) this.bound.set(key, server);
      else failed.push({ listener, reason });
    }
    return failed;
  }

  closeAll(): void {
    for (const server of this.bound.values()) server.close();
    this.bound.clear();
  }
}
