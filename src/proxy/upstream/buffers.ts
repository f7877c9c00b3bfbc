/**
 * Buffers of one worker. Rules (PERFORMANCE.md): nothing keeps a slice of the shared read buffer across a turn; a
 * buffer handed to a socket that could not write it at once belongs to that socket until it is collected.
 */
import type { Socket } from 'node:net';
import { writeAscii } from '../protocol/http1/encode.ts';

/** Bytes one read of a shared or private read buffer takes at most. */
export const readBytes = 64 * 1024;
/** Private read buffers are larger: fewer reads for large bodies. */
export const privateReadBytes = 256 * 1024;
const stagingBytes = 128 * 1024;
/** Private buffers kept for reuse. */
const maxFree = 32;
/** Views of the staging buffer up to this length are kept: messages of one size come again and again. */
const maxViewBytes = 4096;

export class ReadBuffers {
  readonly shared: Buffer = Buffer.allocUnsafeSlow(readBytes);
  private readonly free: Buffer[] = [];

  takePrivate(): Buffer {
    return this.free.pop() ?? Buffer.allocUnsafeSlow(privateReadBytes);
  }

  /** Only for a buffer that no socket write refers to. */
  givePrivate(buffer: Buffer): void {
    if (this.free.length < maxFree) this.free.push(buffer);
  }
}

/**
 * Where a message is put together, so that head and body present leave in one write. Used for one socket at a time:
 * whoever appends also flushes before it returns to the event loop.
 */
export class Staging {
  buffer: Buffer = Buffer.allocUnsafeSlow(stagingBytes);
  length = 0;
  private views: (Buffer | undefined)[] = [];

  /** Room for `bytes` more, growing when a single head is larger than the whole buffer. Contents are kept. */
  reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(stagingBytes, this.length + bytes));
    this.buffer.copy(larger, 0, 0, this.length);
    this.replace(larger);
  }

  private replace(buffer: Buffer): void {
    this.buffer = buffer;
    this.views = [];
  }

  /** The first `length` bytes. Making a view costs more than a small message's copy. */
  private view(length: number): Buffer {
    if (length > maxViewBytes) return this.buffer.subarray(0, length);
    return (this.views[length] ??= this.buffer.subarray(0, length));
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

  /** Writes what is staged. False: the socket wants no more until it drains. */
  flush(socket: Socket): boolean {
    const length = this.length;
    if (length === 0) return !socket.writableNeedDrain;
    this.length = 0;
    const more = socket.write(this.view(length));
    if (socket.writableLength !== 0 || this.buffer.length > stagingBytes) this.replace(Buffer.allocUnsafeSlow(stagingBytes));
    return more;
  }
}
