import { ID, type Answer } from './case.ts';
import type { UpstreamSocket } from './sockets.ts';

/** A request as the backend saw it, with what it answered. */
export interface Served {
  readonly id: string;
  readonly answer: Answer;
  /** The answer's bytes with the id in its place, as far as they were sent. */
  sent: string;
  /** The request's last byte arrived. */
  complete: boolean;
  /** Offset of the request in the connection's bytes, and behind its head. */
  readonly from: number;
  readonly headEnd: number;
  /** Behind its body; -1 until it is complete. */
  end: number;
}

/** A whole head of a 101, perhaps behind interim responses. */
const SWITCHES = /^(HTTP\/1\.[01] 1(?!01)\d\d[^\r\n]*\r\n([^\r\n]+\r\n)*\r\n)*HTTP\/1\.[01] 101[ \r][^]*?\r\n\r\n/;

/** Tells the requests in a connection's bytes, by the framing of what the engine writes, and what to answer to each. */
export class RequestReader {
  readonly served: Served[] = [];
  /** Behind a 101 the bytes are no HTTP: where they begin; -1 without one. */
  tunnelAt = -1;
  private from = 0;
  private current: Served | null = null;
  private readonly nextAnswer: (head: string) => Answer;

  constructor(nextAnswer: (head: string) => Answer) {
    this.nextAnswer = nextAnswer;
  }

  /** Looks at everything that came so far. `onBegin`: a request has begun; `onAnswer`: it is to be answered now. */
  read(bytes: string, onBegin: () => void, onAnswer: (served: Served) => void): void {
    while (this.tunnelAt === -1) {
      if (this.current === null) {
        const headEnd = bytes.indexOf('\r\n\r\n', this.from) + 4;
        if (headEnd < 4) return;
        onBegin();
        this.current = this.begin(bytes.slice(this.from, headEnd), headEnd);
        if (this.current.answer.early) onAnswer(this.current);
      }
      const { current } = this;
      const end = endOfBody(bytes, current.from, current.headEnd);
      if (end < 0) return;
      current.complete = true;
      current.end = end;
      if (SWITCHES.test(current.sent)) this.tunnelAt = end;
      if (!current.answer.early) onAnswer(current);
      this.current = null;
      this.from = end;
    }
  }

  private begin(head: string, headEnd: number): Served {
    const id = /\r\nx-request-id: (\S+)\r\n/.exec(head)?.[1] ?? '';
    const served: Served = { id, answer: this.nextAnswer(head), sent: '', complete: false, from: this.from, headEnd, end: -1 };
    this.served.push(served);
    return served;
  }

  /** A piece of an answer with the request's id in its place. The id may be cut over pieces: then it stays what it is. */
  note(served: Served, piece: string): string {
    const text = piece.replaceAll(ID, served.id.padEnd(ID.length, '-'));
    served.sent += text;
    // An early 101 comes before the rest of its request, which is no part of the tunnel.
    if (served.complete && SWITCHES.test(served.sent)) this.tunnelAt = served.end;
    return text;
  }
}

/** One upstream connection in memory, from the backend's side. */
export class BackendPeer {
  readonly socket: UpstreamSocket;
  private readonly reader: RequestReader;
  private opened = false;
  private seen = 0;
  private outgoing: { readonly piece: string; readonly of: Served; readonly last: boolean }[] = [];
  private closed = false;
  private resetLater = false;

  /** The exchange that the last request belongs to. */
  private exchange = -1;
  /** The exchange that the engine is at; -1: none. */
  private readonly live: () => number;

  constructor(socket: UpstreamSocket, live: () => number, nextAnswer: () => Answer) {
    this.socket = socket;
    this.live = live;
    this.reader = new RequestReader(nextAnswer);
  }

  get served(): readonly Served[] {
    return this.reader.served;
  }

  get received(): Buffer {
    return this.socket.received;
  }

  get isCut(): boolean {
    return this.socket.isCut;
  }

  /** One turn: reads what came, sends one piece, hands over one read. False: nothing happened. */
  step(): boolean {
    if (this.socket.destroyed) return false;
    if (!this.opened) {
      this.opened = true;
      this.socket.emit('connect');
      return true;
    }
    const released = this.socket.release();
    this.read();
    if (this.live() > this.exchange) this.hush();
    const sent = this.send();
    const delivered = this.socket.deliver();
    return released || sent || delivered;
  }

  /** Reads what came, whether or not the connection is still there. */
  read(): void {
    if (this.socket.sent.length === this.seen) return;
    this.seen = this.socket.sent.length;
    const begin = (): void => {
      this.hush();
      this.exchange = this.live();
    };
    this.reader.read(this.received.toString('latin1'), begin, (served) => this.answer(served));
  }

  /**
   * What a peer says behind its last answer, when the next request is on its way already, is taken for the next answer by
   * anyone: it is not said.
   */
  private hush(): void {
    this.outgoing = [];
    this.socket.forget();
  }

  private answer(served: Served): void {
    const { pieces } = served.answer;
    for (const [i, piece] of pieces.entries()) this.outgoing.push({ piece, of: served, last: i === pieces.length - 1 });
    if (pieces.length === 0) this.outgoing.push({ piece: '', of: served, last: true });
  }

  private send(): boolean {
    const next = this.outgoing.shift();
    if (next === undefined || this.closed) return false;
    const text = this.reader.note(next.of, next.piece);
    if (text !== '') this.socket.arrive(Buffer.from(text, 'latin1'));
    const { then } = next.of.answer;
    if (next.last && then === 'end') this.end();
    else if (next.last && then === 'reset') this.resetLater = true;
    return true;
  }

  /** Sends what is left to send and closes. */
  end(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.arriveEnd();
  }

  /** A reset comes when everything before it was read: the kernel drops what was not. */
  settleReset(): boolean {
    if (!this.resetLater || this.socket.destroyed) return false;
    this.resetLater = false;
    this.socket.arriveReset();
    return true;
  }
}

/** End of the body that follows a head written by the engine; -1 when it has not come. */
function endOfBody(bytes: string, from: number, headEnd: number): number {
  const head = bytes.slice(from, headEnd);
  if (!/\r\ntransfer-encoding: chunked\r\n/i.test(head)) {
    const length = Number(/\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n/i.exec(head)?.[1] ?? 0);
    return headEnd + length <= bytes.length ? headEnd + length : -1;
  }
  let at = headEnd;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return -1;
    const size = Number.parseInt(bytes.slice(at, lineEnd), 16);
    if (size === 0) {
      const end = bytes.startsWith('\r\n', lineEnd + 2) ? lineEnd + 4 : bytes.indexOf('\r\n\r\n', lineEnd) + 4;
      return end < 4 ? -1 : end;
    }
    if (!(size > 0)) return -1;
    at = lineEnd + 2 + size + 2;
    if (at > bytes.length) return -1;
  }
}
