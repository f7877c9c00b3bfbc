import type { Socket } from 'node:net';
import { Deadline } from '../../../base/wheel.ts';
import type { ClientConnection, LiveConnection } from '../../listen/client.ts';
import type { ListenerRuntime } from '../../listen/listener-runtime.ts';
import type { WorkerRuntime } from '../../runtime.ts';
import type { ServerConnection } from './server.ts';
import { idleAt } from './time-limits.ts';

const ignore = (): void => undefined;

/**
 * A client's place at a listener. What reads and answers its requests is lent to it: a connection that has been idle for a
 * moment gives it back, and keeps little more than its socket. Where the next bytes arrive, it is lent one again.
 */
export class Seat implements LiveConnection {
  readonly client: ClientConnection | null;
  socket: Socket | null = null;
  connectionId = 0;
  isFresh = true;
  idleSince = 0;
  closeAt = Infinity;
  private readonly worker: WorkerRuntime;
  private readonly at: ListenerRuntime;
  /** Null while the client is parked. */
  connection: ServerConnection | null;
  private deadline: Deadline | null = null;
  private isOver = false;

  constructor(worker: WorkerRuntime, at: ListenerRuntime, client: ClientConnection | null, connection: ServerConnection) {
    this.worker = worker;
    this.at = at;
    this.client = client;
    this.connection = connection;
  }

  /** Received bytes in the worker's read buffer: valid during the call only. */
  onShared(shared: Buffer, bytes: number): void {
    if (!this.isOver) (this.connection ?? this.wake()).onShared(shared, bytes);
  }

  /** Received bytes, ours to keep. */
  onChunk(chunk: Buffer): void {
    if (!this.isOver) (this.connection ?? this.wake()).onChunk(chunk);
  }

  /** The connection object is given back: the socket is idle, its last answer taken, and none but this one's listeners are on it. */
  park(socket: Socket): void {
    const { at, worker } = this;
    this.connection = null;
    this.socket = socket;
    socket.on('end', this.onEnd);
    socket.on('error', ignore);
    socket.on('close', this.onClose);
    at.connections.add(this);
    this.deadline ??= new Deadline(() => this.onDeadline());
    worker.wheel.arm(this.deadline, Math.min(idleAt(at, this.idleSince, this.isFresh), this.closeAt));
  }

  /** The socket is closed or somebody else's: the connection object will serve others, and no byte of this client may reach them. */
  end(): void {
    this.connection = null;
    this.isOver = true;
  }

  private wake(): ServerConnection {
    const { at, worker, socket } = this;
    const connection = at.connection(worker);
    this.leave(socket);
    this.connection = connection;
    if (socket !== null) connection.resumeAt(this, socket);
    return connection;
  }

  private leave(socket: Socket | null): void {
    socket?.off('end', this.onEnd);
    socket?.off('error', ignore);
    socket?.off('close', this.onClose);
    this.at.connections.delete(this);
    if (this.deadline !== null) this.worker.wheel.remove(this.deadline);
  }

  get isIdle(): boolean {
    return true;
  }

  close(): void {
    this.socket?.destroy();
  }

  private readonly onEnd = (): void => this.socket?.destroySoon();

  private readonly onClose = (): void => {
    this.leave(this.socket);
    this.end();
    this.worker.telemetry.connectionClosed(this.at.name);
  };

  private onDeadline(): void {
    this.wake().endIdle();
  }
}
