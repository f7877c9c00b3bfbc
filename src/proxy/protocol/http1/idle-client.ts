import type { Socket } from 'node:net';
import type { Deadline } from '../../../base/wheel.ts';
import type { ListenerRuntime } from '../../listen/listener-runtime.ts';
import type { WorkerRuntime } from '../../runtime.ts';
import { ClientSocket } from './client-socket.ts';
import type { Seat } from './seat.ts';
import { idleVerdict } from './time-limits.ts';

/** What a connection is between two requests: idle, then parked, then closed. */
export abstract class IdleClient extends ClientSocket {
  protected readonly worker: WorkerRuntime;
  protected readonly at: ListenerRuntime;
  protected abstract readonly deadline: Deadline;
  /** Null where the bytes come past it: this object serves until the socket closes. */
  protected seat: Seat | null = null;
  /** Nothing was asked yet. */
  protected isFresh = true;
  protected idleSince = 0;
  /** The connection's time is over then: it ends with the answer under way. */
  protected closeAt = Infinity;
  /** What an idle client had left untaken when it was last looked at, bytes. */
  protected untaken = -1;

  constructor(worker: WorkerRuntime, at: ListenerRuntime) {
    super();
    this.worker = worker;
    this.at = at;
  }

  protected abstract finishConnection(): void;
  /** The object is ready for another socket; this one goes on without it. */
  protected abstract giveBack(): void;

  /** The idle time of a parked connection is over. */
  endIdle(): void {
    this.finishConnection();
  }

  limitTime(at: number): void {
    if (at < this.deadline.at) this.worker.wheel.arm(this.deadline, at);
  }

  protected armIdle(): void {
    this.worker.wheel.arm(this.deadline, Math.min(this.idleSince + this.at.idleLookMs, this.closeAt));
  }

  protected checkIdle(now: number): void {
    const { unsent } = this.wire;
    const { idleSince: since, isFresh, closeAt, untaken, seat, socket } = this;
    const verdict = idleVerdict(this.at, { since, isFresh, closeAt, unsent, untaken }, now);
    this.untaken = unsent;
    if (verdict === 'end') this.finishConnection();
    else if (verdict === 'cut') socket.destroy();
    else if (seat !== null && unsent === 0 && this.isQuiet) this.parkAt(seat, socket);
    else this.worker.wheel.arm(this.deadline, verdict);
  }

  private parkAt(seat: Seat, socket: Socket): void {
    seat.connectionId = this.connectionId;
    seat.isFresh = this.isFresh;
    seat.idleSince = this.idleSince;
    seat.closeAt = this.closeAt;
    this.unlisten();
    this.giveBack();
    seat.park(socket);
  }
}
