import { closeSync, constants, fstatSync, openSync, write } from 'node:fs';
import { giveBack } from '../telemetry/log/slots.ts';

export interface LogWriterOptions {
  /** File to append to; null: standard output. */
  readonly path: string | null;
  /** Bytes that may wait; what comes beyond is dropped and counted. */
  readonly maxWaitingBytes?: number;
  readonly onError?: (message: string) => void;
}

/** EAGAIN of a full pipe: asked again after this, ms. */
const retryMs = 10;
const maxBatch = 64;
const lineEnd = Buffer.from('\n');

/**
 * Writes finished log lines of all workers. Nobody waits for it: a slow disk or reader costs memory up to a bound and
 * then lines, never a request.
 */
export class LogWriter {
  readonly #path: string | null;
  readonly #maxWaitingBytes: number;
  readonly #onError: (message: string) => void;
  #descriptor: number;
  readonly #queue: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing = false;
  #failing = false;
  /** The disk took a part of a line and no more: the next line begins behind a line end. */
  #torn = false;
  #reopen = false;
  #closed = false;
  #idle: (() => void)[] = [];
  droppedLines = 0;

  /** Throws the system's error when the file cannot be opened. */
  constructor(options: LogWriterOptions) {
    this.#path = options.path;
    this.#maxWaitingBytes = options.maxWaitingBytes ?? 64 * 1024 * 1024;
    this.#onError = options.onError ?? (() => {});
    this.#descriptor = open(this.#path);
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** The lines must not change before they are given back (telemetry/log/slots.ts `giveBack`), written or not. */
  write(lines: Uint8Array): void {
    if (this.#closed || this.#waitingBytes + lines.length > this.#maxWaitingBytes) {
      this.droppedLines += countLines(lines, 0);
      giveBack(lines);
      return;
    }
    this.#queue.push(lines);
    this.#waitingBytes += lines.length;
    this.#pump();
  }

  /** After a rotation (SIGUSR1): whole lines go to the old file, later ones to a new one of the same name. */
  reopen(): void {
    this.#reopen = this.#path !== null;
    this.#pump();
  }

  /** Resolves when everything is written, or after `timeoutMs` when the reader does not take it. */
  async close(timeoutMs = 2000): Promise<void> {
    if (this.#waitingBytes > 0) {
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([
        new Promise<void>((resolve) => this.#idle.push(resolve)),
        new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs))),
      ]);
      clearTimeout(timer);
    }
    this.#closed = true;
    if (this.#path !== null && !this.#writing) closeSync(this.#descriptor);
  }

  #pump(): void {
    if (this.#writing || this.#closed) return;
    if (this.#reopen) this.#swap();
    if (this.#queue.length === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    const batch = this.#queue.splice(0, maxBatch);
    const [first] = batch;
    if (this.#torn) this.#waitingBytes += lineEnd.length;
    const isOne = batch.length === 1 && first !== undefined && !this.#torn;
    const bytes = isOne ? first : Buffer.concat(this.#torn ? [lineEnd, ...batch] : batch);
    if (!isOne) for (const lines of batch) giveBack(lines);
    this.#writing = true;
    this.#writeFrom(bytes, 0);
  }

  #writeFrom(bytes: Uint8Array, from: number): void {
    write(this.#descriptor, bytes, from, bytes.length - from, null, (error, written) => {
      if (error?.code === 'EAGAIN' && !this.#closed) {
        setTimeout(() => this.#writeFrom(bytes, from), retryMs);
        return;
      }
      const at = from + (error ? 0 : written);
      if (!error && at < bytes.length) {
        this.#writeFrom(bytes, at);
        return;
      }
      if (error) {
        this.droppedLines += countLines(bytes, at === 0 && this.#torn ? lineEnd.length : at);
        if (!this.#failing) this.#onError(`access log: ${error.message}`);
      }
      this.#failing = error !== null;
      if (at > 0) this.#torn = bytes[at - 1] !== 0x0a;
      this.#waitingBytes -= bytes.length;
      giveBack(bytes);
      this.#writing = false;
      this.#pump();
    });
  }

  #swap(): void {
    this.#reopen = false;
    try {
      const next = open(this.#path);
      closeSync(this.#descriptor);
      this.#descriptor = next;
      this.#torn = false;
    } catch (error) {
      this.#onError(`access log cannot be reopened, the old file stays: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** Never blocking on a pipe: a thread that waits in `write` for a reader would keep the process from ending. */
function open(path: string | null): number {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK;
  if (path !== null) return openSync(path, flags | constants.O_CREAT, 0o640);
  if (!fstatSync(1).isFIFO()) return 1;
  try {
    return openSync('/proc/self/fd/1', flags);
  } catch {
    return 1;
  }
}

function countLines(bytes: Uint8Array, from: number): number {
  let lines = 0;
  for (let at = bytes.indexOf(0x0a, from); at !== -1; at = bytes.indexOf(0x0a, at + 1)) lines++;
  return lines;
}
