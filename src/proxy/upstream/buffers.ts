/**
 * Buffers of one worker. Rules (PERFORMANCE.md): nothing keeps a slice of the shared read buffer across a turn; a
 * buffer handed to a socket that could not write it at once belongs to that socket until it is collected.
 */
import { writeAscii } from '../protocol/http1/encode.ts';
import type { Wire } from './wire.ts';

/** Bytes one read of a shared or private read buffer takes at most. */
export const readBytes = 64 * 1024;
/** Private read buffers are larger: fewer reads for large bodies. */
export const privateReadBytes = 256 * 1024;
const stagingBytes = 256 * 1024;
/** Bytes of a read that are kept in a buffer used again and again. */
export const smallBytes = 4096;
const maxSmall = 512;
/** Private buffers kept for reuse. */
const maxFree = 32;

export class ReadBuffers {
  readonly shared: Buffer = Buffer.allocUnsafeSlow(readBytes);
  private readonly small: Buffer[] = [];
  private readonly free: Buffer[] = [];

  /** A buffer of `smallBytes` for what a client sent: most requests fit. */
  takeSmall(): Buffer {
    return this.small.pop() ?? Buffer.allocUnsafeSlow(smallBytes);
  }

  /** Only for a buffer that nothing refers to. */
  giveSmall(buffer: Buffer): void {
    if (this.small.length < maxSmall) this.small.push(buffer);
  }

  takePrivate(): Buffer {
    return this.free.pop() ?? Buffer.allocUnsafeSlow(privateReadBytes);
  }

  /** Only for a buffer that no socket write refers to. */
  givePrivate(buffer: Buffer): void {
    if (this.free.length < maxFree) this.free.push(buffer);
  }
}

/** Posted messages above this are written at once: they would crowd the buffer out. */
const maxPostBytes = 16 * 1024;
/** Messages that wait for the end of the turn. */
const maxPosted = 512;

/**
 * Where messages are put together, so that head and body present leave in one write, and where small ones wait for the
 * end of the event loop's turn: peers that are woken once for a burst cost less than peers woken for each message.
 * Used for one socket at a time: whoever appends also posts, flushes or discards before it returns to the event loop.
 */
export class Staging {
  buffer: Buffer = Buffer.allocUnsafeSlow(stagingBytes);
  length = 0;
  /** Where the message under construction begins. */
  private from = 0;
  /** Messages posted: the first so many of the lists below, which stay as long as they are. */
  private posted = 0;
  private readonly wires: (Wire | null)[] = Array.from({ length: maxPosted }, () => null);
  private readonly starts = new Uint32Array(maxPosted);
  private readonly ends = new Uint32Array(maxPosted);
  /** 1: to an upstream; the rest is for clients. */
  private readonly upstream = new Uint8Array(maxPosted);
  private scheduled = false;
  /** Grows whenever something is written: what was posted before is on its way. */
  writes = 0;
  /** A write out of the buffer has not been taken whole by its socket. */
  private busy = false;
  /** They end with the turn; `soon`: for good. */
  private readonly closing: { readonly wire: Wire; readonly soon: boolean }[] = [];
  private readonly run = (): void => {
    this.scheduled = false;
    this.flushPosted();
    for (let end = this.closing.pop(); end !== undefined; end = this.closing.pop()) end.wire.end(end.soon);
  };

  /** Room for `bytes` more, growing when a single message is larger than the whole buffer. Contents are kept. */
  reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const open = this.length - this.from;
    const larger = Buffer.allocUnsafeSlow(Math.max(stagingBytes, (open + bytes) * 2));
    this.buffer.copy(larger, 0, this.from, this.length);
    this.writePosted();
    this.buffer = larger;
    this.from = 0;
    this.length = open;
  }

  get room(): number {
    return this.buffer.length - this.length;
  }

  append(source: Buffer, start: number, end: number): void {
    this.reserve(end - start);
    if (end - start < 64) {
      const target = this.buffer;
      let at = this.length;
      for (let i = start; i < end; i++) target[at++] = source[i];
    } else source.copy(this.buffer, this.length, start, end);
    this.length += end - start;
  }

  appendText(text: string): void {
    this.reserve(text.length);
    this.length = writeAscii(this.buffer, this.length, text);
  }

  /** Forgets the message under construction. */
  discard(): void {
    this.length = this.from;
  }

  /** Writes the message at the end of this turn, in order with everything posted before. True: it waits. */
  post(wire: Wire, toUpstream: boolean): boolean {
    const { from, length } = this;
    if (length === from) return false;
    const at = this.posted;
    if (length - from > maxPostBytes || at === maxPosted) {
      this.flush(wire);
      return false;
    }
    this.posted = at + 1;
    this.wires[at] = wire;
    this.starts[at] = from;
    this.ends[at] = length;
    this.upstream[at] = toUpstream ? 1 : 0;
    this.from = length;
    this.schedule();
    return true;
  }

  private schedule(): void {
    if (!this.scheduled) setImmediate(this.run);
    this.scheduled = true;
  }

  /** Ends it with this turn, behind what is posted; `soon`: as `Wire.end`. */
  close(wire: Wire, soon: boolean): void {
    this.closing.push({ wire, soon });
    this.schedule();
  }

  /** Writes what is posted and then the message under construction. False: the socket wants no more until it drains. */
  flush(wire: Wire): boolean {
    if (this.posted > 0) this.writePosted();
    const { from, length } = this;
    if (length === from) return !wire.isFull;
    this.writes++;
    const more = wire.write(this.buffer.subarray(from, length));
    if (wire.holdsBytes) this.busy = true;
    this.from = length;
    this.rewind();
    return more;
  }

  /** Writes what is posted: before anything is written, ended or closed past this buffer. */
  flushPosted(): void {
    if (this.posted === 0) return;
    this.writePosted();
    this.rewind();
  }

  private writePosted(): void {
    const { posted, upstream } = this;
    this.writes++;
    this.posted = 0;
    // Upstreams first, then clients: a peer that gets its messages in a row is woken once.
    for (let i = 0; i < posted; i++) if (upstream[i] === 1) this.writeOne(i);
    for (let i = 0; i < posted; i++) if (upstream[i] === 0) this.writeOne(i);
  }

  private writeOne(i: number): void {
    const wire = this.wires[i];
    this.wires[i] = null;
    if (wire === null) return;
    wire.write(this.buffer.subarray(this.starts[i], this.ends[i]));
    if (wire.holdsBytes) this.busy = true;
  }

  /** Begins the buffer again once nothing of it waits; one that a socket still holds is left to it. */
  private rewind(): void {
    if (this.from !== this.length) return;
    if (this.busy || this.buffer.length > stagingBytes) this.buffer = Buffer.allocUnsafeSlow(stagingBytes);
    this.busy = false;
    this.from = 0;
    this.length = 0;
  }
}
