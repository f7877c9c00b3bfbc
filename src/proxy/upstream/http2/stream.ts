import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { Readable } from 'node:stream';

/** Who is told of a stream's events. */
export interface StreamOwner {
  onInterim(status: number, raw: readonly string[]): void;
  onResponse(status: number, flags: number, raw: readonly string[]): void;
  onData(chunk: Buffer): void;
  onTrailers(raw: readonly string[]): void;
  /** Everything the peer sends has been read. */
  onEnd(): void;
  onDrain(): void;
  /** The code of an error of Node's own; `onClose` follows. */
  onError(code: string): void;
  /** The stream is over, in whatever way. */
  onClose(errorCode: number): void;
  onBug(error: unknown): void;
}

const owner = Symbol('owner');
const cut = Symbol('cut');

/** A stream with its owner: the listeners are the same functions for all of them, with no closure for each. */
export interface OwnedStream extends ClientHttp2Stream {
  [owner]?: StreamOwner | null;
  [cut]?: boolean;
}

/**
 * node:http2 tells of the end of a body in the same words whether END_STREAM came or RST_STREAM with NO_ERROR. It is pushed before
 * the stream counts as closed in the first case only.
 */
function push(this: OwnedStream, chunk: unknown, encoding?: BufferEncoding): boolean {
  if (chunk === null) this[cut] ??= this.closed;
  return Readable.prototype.push.call(this, chunk, encoding);
}

/** After `end`: the peer left the body without an end. */
export function wasCut(stream: OwnedStream): boolean {
  return stream[cut] === true;
}

/** Tells `to` of the stream's events from now on. */
export function own(stream: OwnedStream, to: StreamOwner): void {
  stream[owner] = to;
  stream.push = push;
  stream.on('error', onError);
  stream.on('headers', onHeaders);
  stream.on('response', onResponse);
  stream.on('data', onData);
  stream.on('trailers', onTrailers);
  stream.on('end', onEnd);
  stream.on('close', onClose);
}

/** The stream takes no more for now: tells of when it does again. */
export function awaitDrain(stream: OwnedStream): void {
  if (stream.listenerCount('drain') === 0) stream.on('drain', onDrain);
}

/** Nobody is told any more. */
export function disown(stream: OwnedStream): void {
  stream[owner] = null;
}

function statusOf(headers: IncomingHttpHeaders): number {
  const status = headers[':status'];
  return status === undefined ? 0 : Number(status);
}

// Each guards for itself: a closure for every event would cost more than the repetition.

function onError(this: OwnedStream, error: Error): void {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  this[owner]?.onError(code);
}

function onHeaders(this: OwnedStream, headers: IncomingHttpHeaders, _flags: number, raw: readonly string[]): void {
  const to = this[owner];
  try {
    to?.onInterim(statusOf(headers), raw);
  } catch (error) {
    to?.onBug(error);
  }
}

function onResponse(this: OwnedStream, headers: IncomingHttpHeaders, flags: number, raw: readonly string[]): void {
  const to = this[owner];
  try {
    to?.onResponse(statusOf(headers), flags, raw);
  } catch (error) {
    to?.onBug(error);
  }
}

function onData(this: OwnedStream, chunk: Buffer): void {
  const to = this[owner];
  try {
    to?.onData(chunk);
  } catch (error) {
    to?.onBug(error);
  }
}

function onTrailers(this: OwnedStream, _headers: IncomingHttpHeaders, _flags: number, raw: readonly string[]): void {
  this[owner]?.onTrailers(raw);
}

function onEnd(this: OwnedStream): void {
  const to = this[owner];
  try {
    to?.onEnd();
  } catch (error) {
    to?.onBug(error);
  }
}

function onDrain(this: OwnedStream): void {
  const to = this[owner];
  try {
    to?.onDrain();
  } catch (error) {
    to?.onBug(error);
  }
}

function onClose(this: OwnedStream): void {
  const to = this[owner];
  try {
    to?.onClose(this.rstCode ?? 0);
  } catch (error) {
    to?.onBug(error);
  }
}
