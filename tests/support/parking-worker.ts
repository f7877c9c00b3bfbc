/** A data worker's thread that tells when a connection is parked: a rig's `entry`. */
import { parentPort } from 'node:worker_threads';
import { Seat } from '../../src/proxy/protocol/http1/seat.ts';
import '../../src/proxy/worker.ts';

/** A connection gave back what reads and answers its requests. */
export interface Parked {
  readonly type: 'parked';
  /** The client's. */
  readonly port: number;
}

const { park } = Seat.prototype;
Seat.prototype.park = function (this: Seat, socket): void {
  park.call(this, socket);
  const parked: Parked = { type: 'parked', port: socket.remotePort ?? 0 };
  parentPort?.postMessage(parked);
};
