/** Test helper: one thread that asks as fast as it can, from the moment that all threads are there. */
import { parentPort, workerData } from 'node:worker_threads';
import type { LimitRule } from './limit.ts';
import { SharedLimitStore } from './limit-store.ts';

interface Task {
  readonly memory: SharedArrayBuffer;
  readonly gate: SharedArrayBuffer;
  readonly threads: number;
  readonly rules: readonly LimitRule[];
  readonly subjects: number;
  readonly asks: number;
  readonly nowMs: number;
}

function isTask(value: unknown): value is Task {
  return typeof value === 'object' && value !== null && 'memory' in value && 'gate' in value && 'rules' in value;
}

const task: unknown = workerData;
if (isTask(task) && parentPort !== null) {
  const group = new SharedLimitStore(task.memory).group('policy', task.rules);
  const gate = new Int32Array(task.gate);
  Atomics.add(gate, 0, 1);
  while (Atomics.load(gate, 0) < task.threads) Atomics.pause();
  const admitted = new Array<number>(task.subjects).fill(0);
  for (let i = 0; i < task.asks; i++) {
    const subject = i % task.subjects;
    if (group.take(`ip ${subject}`, task.nowMs).allowed) admitted[subject] = (admitted[subject] ?? 0) + 1;
  }
  parentPort.postMessage(admitted, []);
}
