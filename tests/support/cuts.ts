/** Connections that end at any byte, and what a worker holds after them. */
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { Worker } from 'node:worker_threads';
import type { Snapshot } from '../../src/model/snapshot.ts';
import type { Census, Memory } from './census-worker.ts';
import { eventually } from './program.ts';
import { Rig, type RigOptions } from './rig.ts';

export type How = 'reset' | 'end';
export const hows: readonly How[] = ['reset', 'end'];

/** Sends the bytes, and only then is gone. */
export function sendAndCut(socket: Socket, bytes: string | Uint8Array, how: How): void {
  const buffer = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
  if (how === 'end') socket.end(buffer);
  else if (buffer.length === 0) socket.resetAndDestroy();
  // A reset takes along what the system has not got yet.
  else socket.write(buffer, () => socket.resetAndDestroy());
}

export const numbers = (from: number, to: number): readonly number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Runs a task for each, several at a time. */
export async function forEach<T>(list: readonly T[], task: (one: T) => Promise<void>, width = 16): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < list.length) await task(list[next++]);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

/** A task for each number of bytes. The last one alone: a connection whose answer is whole would take the request of another when it goes. */
export async function cutEach(length: number, task: (bytes: number) => Promise<void>, from = 0): Promise<void> {
  await forEach(numbers(from, length - 1), task);
  await task(length);
}

/** Sockets of this process, its threads included. */
function openSockets(): number {
  let count = 0;
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')) count++;
    } catch {
      // The directory's own.
    }
  }
  return count;
}

function ask<Answer extends Census | Memory>(worker: Worker, type: Answer['type']): Promise<Answer> {
  return new Promise((resolve) => {
    const listen = (message: Answer): void => {
      if (message.type !== type) return;
      worker.off('message', listen);
      resolve(message);
    };
    worker.on('message', listen);
    worker.postMessage({ type });
  });
}

const gauges = [
  'envoy_http_downstream_cx_active',
  'envoy_http_downstream_rq_active',
  'envoy_listener_downstream_cx_active',
  'envoy_connection_limit_active_connections',
  'envoy_cluster_upstream_cx_active',
];

/** A rig with one worker, and what it held before the first connection. */
export class CutRig {
  readonly rig: Rig;
  private before: unknown = null;

  private constructor(rig: Rig) {
    this.rig = rig;
  }

  /** Servers that are to stay must listen already. Asserts at the end that no guard caught a bug. */
  static async start(t: TestContext, make: (port: number) => Snapshot, options: RigOptions = {}): Promise<CutRig> {
    const rig = await Rig.start(make, { ...options, entry: new URL('./census-worker.ts', import.meta.url) });
    t.after(async () => {
      await rig.close();
      assert.deepEqual(rig.faults, [], 'no bug was caught by a guard');
    });
    const cuts = new CutRig(rig);
    cuts.before = await cuts.levels();
    return cuts;
  }

  private async levels(): Promise<unknown> {
    const census = await ask<Census>(this.rig.workers[0], 'census');
    const active = Object.fromEntries(gauges.map((name) => [name, this.rig.metric(name)]));
    return { ...census, ...active, upstream: await this.rig.activeUpstream(), sockets: openSockets() };
  }

  /** What the worker needs, after a collection, MiB. */
  async memory(): Promise<number> {
    const { heapMiB, buffersMiB } = await ask<Memory>(this.rig.workers[0], 'memory');
    return heapMiB + buffersMiB;
  }

  /** All that was opened is closed: sockets, deadlines, exchanges, gauges are what they were. */
  async nothingIsLeft(): Promise<void> {
    let now: unknown = null;
    const wanted = JSON.stringify(this.before);
    await eventually(async () => JSON.stringify((now = await this.levels())) === wanted);
    assert.deepEqual(now, this.before);
    assert.deepEqual(this.rig.faults, []);
  }
}
