import { ChunkedDecoder } from './chunked.ts';
import type { RequestHead } from './head.ts';
import type { Input } from './input.ts';
import type { Trailers } from './trailers.ts';

/** Where body bytes go: to the upstream, or nowhere. */
export interface BodySink {
  /** False: takes no more for now. */
  data(buffer: Buffer, start: number, end: number): boolean;
  end(trailers: Trailers | null): void;
}

/** Takes a sink's bytes and drops them. */
export const discard: BodySink = { data: () => true, end: () => undefined };

/** The body of the current request: framing off, bytes counted, limit kept. */
export class RequestBody {
  done = true;
  /** Body bytes so far. */
  bytes = 0;
  private chunked = false;
  private remaining = 0;
  private maxBytes = 0;
  private readonly decoder = new ChunkedDecoder();

  /** `maxBytes` 0: no limit. */
  begin(head: RequestHead, maxBytes: number): void {
    this.chunked = head.bodyKind === 'chunked';
    this.done = head.bodyKind === 'none';
    this.remaining = head.bodyKind === 'length' ? head.contentLength : 0;
    this.bytes = 0;
    this.maxBytes = maxBytes;
    if (this.chunked) this.decoder.reset();
  }

  /** A head was refused: there is no telling where its body would end. */
  lose(): void {
    this.done = false;
    this.chunked = false;
    this.remaining = 0;
  }

  /** The announced or received size is over the limit. */
  get tooLarge(): boolean {
    return this.maxBytes > 0 && this.bytes + this.remaining > this.maxBytes;
  }

  /** Reads what is there. `more`: the sink wants more; `full`: it does not; `too-large`; else the decoder's error. */
  read(input: Input, sink: BodySink): string {
    let result = 'more';
    while (!this.done && input.buffer !== null && result === 'more') {
      const { buffer } = input;
      if (this.chunked) {
        input.from = this.decoder.decode(buffer, input.from, input.to);
        if (this.decoder.failed) return this.decoder.error;
        const { dataStart, dataEnd } = this.decoder;
        this.bytes += dataEnd - dataStart;
        if (this.tooLarge) return 'too-large';
        if (dataEnd > dataStart && !sink.data(buffer, dataStart, dataEnd)) result = 'full';
        if (this.decoder.done) this.finish(sink, this.decoder.trailers);
      } else {
        const take = Math.min(this.remaining, input.to - input.from);
        const start = input.from;
        this.remaining -= take;
        this.bytes += take;
        input.from += take;
        if (take > 0 && !sink.data(buffer, start, start + take)) result = 'full';
        if (this.remaining === 0) this.finish(sink, null);
      }
      input.settle();
    }
    return result;
  }

  private finish(sink: BodySink, trailers: Trailers | null): void {
    this.done = true;
    sink.end(trailers);
  }
}
