import { Worker } from 'node:worker_threads';
import { entryBeside } from '../../base/entry.ts';
import type { CompilerData, FromCompiler, ToCompiler } from './protocol.ts';

type Without<T> = T extends unknown ? Omit<T, 'id'> : never;
export type Question = Without<ToCompiler>;

/** The compile worker as the main thread sees it: a question, an answer. A worker that dies is replaced at the next question. */
export class Compiler {
  #worker: Worker | null = null;
  #nextId = 1;
  readonly #waiting = new Map<number, (answer: FromCompiler) => void>();

  readonly #data: CompilerData;

  constructor(data: CompilerData) {
    this.#data = data;
    this.#start();
  }

  ask(question: Question): Promise<FromCompiler> {
    const id = this.#nextId++;
    const worker = this.#worker ?? this.#start();
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      worker.postMessage({ ...question, id });
    });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(entryBeside(import.meta.url, './compile-worker'), { workerData: this.#data });
    let reason = 'the compile worker ended';
    worker.on('message', (answer: FromCompiler) => {
      const resolve = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      resolve?.(answer);
    });
    worker.on('error', (error: unknown) => {
      reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = null;
      for (const [id, resolve] of this.#waiting) resolve({ type: 'failed', id, message: reason });
      this.#waiting.clear();
    });
    this.#worker = worker;
    return worker;
  }
}
