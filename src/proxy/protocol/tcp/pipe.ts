import type { Socket } from 'node:net';
import type { ReadBuffers } from '../../upstream/buffers.ts';
import type { Wire } from '../../upstream/wire.ts';

/** A read this large makes the next one go to a buffer of the pipe's own, out of which it is written without a copy. */
const bulkBytes = 16 * 1024;
/** Buffers of pipes' own in one worker, 64 MiB: with more connections reads are copied. */
const maxOwned = 256;
/** Beyond this a pipe gives its buffer back after a read that did not fill it: it may be the last for long. */
const manyOwned = 64;
/** Larger than any read. */
const scratchBytes = 256 * 1024;
/** So many small reads in a row give the buffer back. */
const maxSmall = 16;

/**
 * Where small reads are copied to, as the buffer they came in is every connection's. Nearly all of them are taken by the
 * system at once, and their place serves again.
 */
class Scratch {
  private buffer: Buffer | null = null;
  private at = 0;

  copy(from: Buffer, bytes: number): Uint8Array {
    let { buffer } = this;
    if (buffer === null || this.at + bytes > buffer.length) {
      buffer = this.buffer = Buffer.allocUnsafeSlow(scratchBytes);
      this.at = 0;
    }
    from.copy(buffer, this.at, 0, bytes);
    return buffer.subarray(this.at, this.at + bytes);
  }

  /** The last copy is still needed. */
  keep(bytes: number): void {
    this.at += bytes;
  }
}

const scratch = new Scratch();
let owned = 0;

/** Who is told what passes. */
export interface PipeOwner {
  onPassed(pipe: Pipe, bytes: number): void;
  /** The source ended in good order and everything it sent is on its way. */
  onEnd(pipe: Pipe): void;
}

/**
 * One direction of a connection. At most one read waits for the sink, and the source is not read meanwhile: what a slow
 * reader costs is one buffer.
 */
export class Pipe {
  private readonly reads: ReadBuffers;
  private readonly owner: PipeOwner;
  private source: Socket | null = null;
  private sink: Wire | null = null;
  /** Reads go to this buffer while there is much to read. */
  private own: Buffer | null = null;
  private isBulk = false;
  private small = 0;
  /** The sink has not taken the last bytes. */
  private waiting = false;
  /** They are in `own`. */
  private lent = false;
  private closed = false;
  /** The source has ended. */
  ended = false;

  constructor(reads: ReadBuffers, owner: PipeOwner) {
    this.reads = reads;
    this.owner = owner;
  }

  /** Joins the two sockets. The source is paused; `start` lets it flow. */
  join(source: Socket, sink: Wire): void {
    this.source = source;
    this.sink = sink;
    sink.socket.on('drain', () => this.onDrain());
  }

  start(): void {
    if (!this.waiting && !this.closed) this.source?.resume();
  }

  /** For `net.connect({onread})`: where the next bytes go. */
  readonly nextBuffer = (): Buffer => {
    if (this.isBulk) {
      if (this.own === null && owned < maxOwned) {
        this.own = this.reads.takePrivate();
        owned++;
      }
      return this.own ?? this.reads.shared;
    }
    if (!this.lent) this.giveBack();
    return this.reads.shared;
  };

  private giveBack(): void {
    const { own } = this;
    if (own === null) return;
    this.own = null;
    owned--;
    // A write that was cut short may still refer to it.
    if (!this.lent) this.reads.givePrivate(own);
  }

  /** Bytes that arrived in a buffer of `nextBuffer`, or that belong to nobody else. False: stop reading. */
  read(bytes: number, into: Uint8Array): boolean {
    this.adapt(bytes, into.length);
    const { sink } = this;
    if (sink === null || this.closed || sink.socket.destroyed) return false;
    this.owner.onPassed(this, bytes);
    if (into === this.own) {
      if (sink.pass(into.subarray(0, bytes), this.onTaken)) return true;
      this.lent = true;
    } else if (!sink.isDirect) {
      if (sink.stream(into === this.reads.shared ? Buffer.from(into.subarray(0, bytes)) : into.subarray(0, bytes))) return true;
    } else if (into === this.reads.shared) {
      if (sink.pass(scratch.copy(this.reads.shared, bytes), this.onTaken)) return true;
      scratch.keep(bytes);
    } else if (sink.pass(into.subarray(0, bytes), this.onTaken)) return true;
    this.waiting = true;
    this.source?.pause();
    return false;
  }

  /** Bytes that were read before the sockets were joined. */
  push(bytes: Buffer): void {
    this.read(bytes.length, bytes);
  }

  /** The source has ended: so does the sink once it has taken everything. */
  end(): void {
    if (this.ended || this.closed) return;
    this.ended = true;
    const socket = this.sink?.socket;
    if (socket !== undefined && !socket.destroyed) socket.end();
    this.owner.onEnd(this);
  }

  /** Both sockets are gone. */
  close(): void {
    this.closed = true;
    this.giveBack();
    this.source = null;
    this.sink = null;
  }

  private adapt(bytes: number, room: number): void {
    if (bytes >= bulkBytes) {
      this.small = 0;
      this.isBulk = true;
    } else if (this.isBulk && ++this.small >= maxSmall) this.isBulk = false;
    if (bytes < room && owned > manyOwned) this.isBulk = false;
  }

  private readonly onTaken = (): void => {
    this.lent = false;
    this.flow();
  };

  private onDrain(): void {
    if (!this.lent) this.flow();
  }

  private flow(): void {
    if (!this.waiting) return;
    this.waiting = false;
    if (!this.closed) this.source?.resume();
  }
}
