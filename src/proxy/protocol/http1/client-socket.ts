import type { Socket } from 'node:net';
import type { ClientConnection } from '../../listen/client.ts';
import { Wire } from '../../upstream/wire.ts';
import { Peer, unattached } from '../peer.ts';
import { resetSocket } from '../reset-socket.ts';

const noWire = new Wire(unattached);
const ignore = (): void => undefined;

/** The socket of a client that speaks HTTP/1.1, and its events. One object serves many sockets, one after the other. */
export abstract class ClientSocket extends Peer {
  protected wire: Wire = noWire;
  private paused = false;
  /** Reads on in the next turn. */
  protected givesWay = false;

  protected abstract onDrain(): void;
  protected abstract onEnd(): void;
  protected abstract read(): void;
  protected abstract onClosed(): void;
  abstract onChunk(chunk: Buffer): void;
  abstract onFault(error: unknown): void;

  protected open(socket: Socket, client: ClientConnection | null): void {
    this.meet(socket, client);
    this.paused = false;
    this.wire = new Wire(socket);
    socket.on('drain', this.onSocketDrain);
    socket.on('end', this.onSocketEnd);
    socket.on('error', ignore);
    socket.on('close', this.onSocketClose);
  }

  /** Leaves the socket to somebody else, paused and without a listener of ours. */
  protected detach(): void {
    const { socket } = this;
    socket.pause();
    socket.removeAllListeners('data');
    this.unlisten();
  }

  /** Takes our listeners off the socket. */
  protected unlisten(): void {
    const { socket } = this;
    socket.off('drain', this.onSocketDrain);
    socket.off('end', this.onSocketEnd);
    socket.off('error', ignore);
    socket.off('close', this.onSocketClose);
  }

  /** Requests that are answered here could fill the turn: the others of the worker come first. */
  protected giveWay(): boolean {
    if (!this.givesWay) setImmediate(this.onTurn);
    this.givesWay = true;
    return false;
  }

  private readonly onTurn = (): void => {
    this.givesWay = false;
    this.guard('read');
  };

  /** A reset where the transport has one, and no orderly end elsewhere. */
  protected reset(): void {
    resetSocket(this.socket);
  }

  private readonly onSocketDrain = (): void => this.guard('onDrain');
  private readonly onSocketEnd = (): void => this.guard('onEnd');
  private readonly onSocketClose = (): void => this.onClosed();

  protected guard(task: 'onDrain' | 'onEnd' | 'read'): void {
    try {
      this[task]();
    } catch (error) {
      this.onFault(error);
    }
  }

  /** It reads, and nothing is put off to the next turn. */
  protected get isQuiet(): boolean {
    return !this.paused && !this.givesWay;
  }

  protected pause(): void {
    if (!this.paused) this.socket.pause();
    this.paused = true;
  }

  protected resume(): void {
    if (this.paused) this.socket.resume();
    this.paused = false;
  }
}
