import { ID, type Answer } from './case.ts';
import type { UpstreamSocket } from './sockets.ts';

/** A request as the backend saw it, with what it answered. */
export interface Served {
  readonly id: string;
  readonly answer: Answer;
  /** The answer's bytes with the id in its place, as far as they were sent. */
  sent: string;
  /** All of them were sent. */
  whole: boolean;
  /** The request's last byte arrived. */
  complete: boolean;
  /** Offset of the request in the connection's bytes, and behind its head. */
  readonly from: number;
  readonly headEnd: number;
}

/** A 101, perhaps behind interim responses. */
const SWITCHES = /^(HTTP\/1\.[01] 1(?!01)\d\d[^\r\n]*\r\n([^\r\n]+\r\n)*\r\n)*HTTP\/1\.[01] 101[ \r]/;

/** One upstream connection, from the backend's side: answers every request it can tell, by the framing of what the engine writes. */
export class BackendPeer {
  readonly socket: UpstreamSocket;
  readonly served: Served[] = [];
  /** Behind a 101 the bytes are no HTTP. */
  tunnelAt = -1;
  private opened = false;
  private from = 0;
  private current: Served | null = null;
  private outgoing: { readonly piece: Buffer; readonly of: Served; readonly last: boolean }[] = [];
  private closed = false;
  private readonly nextAnswer: () => Answer;

  constructor(socket: UpstreamSocket, nextAnswer: () => Answer) {
    this.socket = socket;
    this.nextAnswer = nextAnswer;
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
    const sent = this.send();
    const delivered = this.socket.deliver();
    return released || sent || delivered;
  }

  /** Reads what came, whether or not the connection is still there. */
  read(): void {
    const bytes = this.socket.received.toString('latin1');
    while (this.tunnelAt === -1) {
      if (this.current === null) {
        const headEnd = bytes.indexOf('\r\n\r\n', this.from) + 4;
        if (headEnd < 4) return;
        this.begin(bytes.slice(this.from, headEnd), headEnd);
      }
      const { current } = this;
      if (current === null) return;
      const end = endOfBody(bytes, current.from, current.headEnd);
      if (end < 0) return;
      current.complete = true;
      if (!current.answer.early) this.answer(current);
      this.current = null;
      this.from = end;
    }
  }

  private begin(head: string, headEnd: number): void {
    const id = /\r\nx-request-id: (\S+)\r\n/.exec(head)?.[1] ?? '';
    const served: Served = { id, answer: this.nextAnswer(), sent: '', whole: false, complete: false, from: this.from, headEnd };
    // A peer that goes on answering the last request now would be a peer that lies: nobody can tell.
    this.outgoing = [];
    this.served.push(served);
    this.current = served;
    if (served.answer.early) this.answer(served);
  }

  private answer(served: Served): void {
    const { pieces } = served.answer;
    for (const [i, piece] of pieces.entries()) {
      this.outgoing.push({ piece: Buffer.from(piece, 'latin1'), of: served, last: i === pieces.length - 1 });
    }
    if (pieces.length === 0) this.outgoing.push({ piece: Buffer.alloc(0), of: served, last: true });
  }

  private send(): boolean {
    const next = this.outgoing.shift();
    if (next === undefined || this.closed) return false;
    const { of: served } = next;
    // The id may be cut over pieces: then it stays what it is, and both sides see the same.
    const text = next.piece.toString('latin1').replaceAll(ID, served.id.padEnd(ID.length, '-'));
    served.sent += text;
    if (text !== '') this.socket.arrive(Buffer.from(text, 'latin1'));
    if (SWITCHES.test(served.sent)) this.tunnelAt = served.headEnd;
    if (next.last) {
      served.whole = true;
      if (served.answer.then === 'end') this.end();
      else if (served.answer.then === 'reset') this.resetLater = true;
    }
    return true;
  }

  private resetLater = false;

  /** Sends what is left to send and closes. */
  end(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.arriveEnd();
  }

  /** A reset comes when everything before it was read, or not at all: the kernel drops what was not. */
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
