/** UDP: sessions by the client's address and port, over one listening socket of one worker. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { hashText } from '../../../base/hash.ts';
import { plainAddress } from '../../../base/ip.ts';
import { pickByHash, pickDestination, rollOf } from '../../../decide/balance.ts';
import type { L4Forward } from '../../../model/chain.ts';
import type { UdpDropReason } from '../../../telemetry/layer4-metrics.ts';
import type { Gate } from '../../listen/gate.ts';
import type { ListenerRuntime } from '../../listen/listener-runtime.ts';
import type { WorkerRuntime } from '../../runtime.ts';
import type { ClusterState } from '../../upstream/cluster-state.ts';
import type { EndpointState } from '../../upstream/endpoint.ts';
import { layer4Failures } from '../layer4-failures.ts';
import { literalLookup, maxQueuedBytes, type SessionOwner, type SessionPlan, UdpSession } from './session.ts';

/** A burst from many clients waits here while the worker is busy; the system gives what it allows. */
const receiveBytes = 4 * 1024 * 1024;

/**
 * The kernel sends all datagrams of one source to the socket of one worker while the workers are the same. Which endpoint
 * serves a source follows from its address and port, so that another worker, or the next process, finds the same one.
 */
export class UdpServer implements SessionOwner {
  private readonly worker: WorkerRuntime;
  private readonly gate: Gate;
  private readonly address: string;
  private readonly port: number;
  private readonly socket: Socket;
  private readonly sessions = new Map<string, UdpSession>();
  private at: ListenerRuntime;

  constructor(
    worker: WorkerRuntime,
    gate: Gate,
    at: ListenerRuntime,
    { address, port }: { readonly address: string; readonly port: number },
  ) {
    this.worker = worker;
    this.gate = gate;
    this.at = at;
    this.address = address;
    this.port = port;
    this.socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', reusePort: true, lookup: literalLookup });
    this.socket.on('message', (datagram, from) => {
      try {
        this.onDatagram(datagram, from);
      } catch (error) {
        worker.onFault(error);
      }
    });
  }

  /** Resolves with null, or with why the address cannot be bound. */
  open(): Promise<string | null> {
    const { socket, address, port, worker } = this;
    return new Promise((resolve) => {
      socket.once('error', (error) => resolve(error.message));
      socket.bind({ address, port, exclusive: true }, () => {
        socket.removeAllListeners('error');
        socket.on('error', () => worker.telemetry.layer4.udpRoute(this.at.name).rxErrors.add(1));
        socket.setRecvBufferSize(receiveBytes);
        resolve(null);
      });
    });
  }

  /** Port that was bound. */
  get boundPort(): number {
    return this.socket.address().port;
  }

  /** Another revision: sessions stay whose route still leads to their cluster and endpoint. */
  apply(at: ListenerRuntime): void {
    this.at = at;
    for (const session of this.sessions.values()) {
      const forward = this.choose(session.clientAddress, session.clientPort);
      if (forward !== null && this.keeps(session, forward)) session.forward = forward;
      else session.end('configuration_changed');
    }
  }

  private keeps(session: UdpSession, forward: L4Forward): boolean {
    if (forward.route !== session.forward.route || forward.blocked !== undefined || !session.endpoint.listed) return false;
    const cluster = this.worker.cluster(session.cluster.name);
    if (cluster !== session.cluster || cluster.config.blocked !== undefined) return false;
    return forward.destinations.some((destination) => destination.cluster === cluster.name && destination.weight > 0);
  }

  private choose(address: string, port: number): L4Forward | null {
    const from = { remoteAddress: plainAddress(address), remotePort: port, localAddress: this.address, localPort: this.port };
    return this.at.chains?.choose({ ...from, begins: 'plain', serverName: '' })?.forward ?? null;
  }

  private onDatagram(datagram: Buffer, from: RemoteInfo): void {
    const key = `${from.address}|${from.port}`;
    const known = this.sessions.get(key);
    if (known !== undefined) {
      if (known.endpoint.listed) return known.fromClient(datagram);
      known.end('endpoint_removed');
    }
    this.begin(key, from)?.fromClient(datagram);
  }

  private begin(key: string, from: RemoteInfo): UdpSession | null {
    const { worker, at, sessions } = this;
    const forward = this.choose(from.address, from.port);
    if (forward === null) return this.drop(at.name, 'no-route');
    if (forward.blocked !== undefined) return this.drop(forward.route, 'blocked');
    if (worker.overloaded) return this.drop(forward.route, 'overload');
    if (!this.gate.takesSession(at)) return this.drop(forward.route, 'sessions');
    const address = plainAddress(from.address);
    const hash = hashText(`${address}|${from.port}`);
    const index = pickDestination(forward.destinations, rollOf(hash));
    const name = index < 0 ? null : forward.destinations[index].cluster;
    const cluster = name === null ? null : worker.cluster(name);
    if (cluster === null) return this.drop(forward.route, 'no-upstream');
    if (cluster.config.blocked !== undefined) return this.drop(forward.route, 'blocked');
    const endpoint = endpointOf(cluster, hash);
    if (endpoint === null) return this.drop(forward.route, 'no-upstream');
    if (!worker.counts.enter(forward.route, forward.maxConnections, Date.now())) return this.drop(forward.route, 'sessions');
    const ends = {
      ...{ remoteAddress: address, remotePort: from.port, directRemoteAddress: address, directRemotePort: from.port },
      ...{ localAddress: this.address, localPort: this.port, tls: null, serverName: '' },
    };
    const plan = { key, forward, cluster, endpoint, clientAddress: from.address, clientPort: from.port, ends };
    const session = this.start(plan);
    // It may be over already: its socket could not be made.
    if (session.over) return null;
    sessions.set(key, session);
    return session;
  }

  private start(plan: SessionPlan): UdpSession {
    try {
      return new UdpSession(this.worker, this.at, this, plan);
    } catch (error) {
      this.worker.counts.leave(plan.forward.route, Date.now());
      throw error;
    }
  }

  private drop(route: string, reason: UdpDropReason): null {
    this.worker.telemetry.layer4.udpRoute(route).dropped(reason).add(1);
    return null;
  }

  reply(datagram: Buffer, port: number, address: string, onError: (error: Error | null) => void): boolean {
    if (this.socket.getSendQueueSize() > maxQueuedBytes) return false;
    this.socket.send(datagram, port, address, onError);
    return true;
  }

  onSessionEnd(session: UdpSession): void {
    this.sessions.delete(session.key);
    this.worker.counts.leave(session.forward.route, Date.now());
  }

  close(): void {
    const why = this.worker.draining ? layer4Failures.drained.details : 'listener_closed';
    for (const session of this.sessions.values()) session.end(why);
    this.socket.close();
  }
}

/** Endpoints that refused lately are passed over while there are others. */
function endpointOf(cluster: ClusterState, hash: number): EndpointState | null {
  const now = performance.now();
  const usable = cluster.endpoints.filter((endpoint) => !endpoint.isUnix && endpoint.weight > 0);
  const ready = usable.filter((endpoint) => !endpoint.isAvoided(now));
  const among = ready.length > 0 ? ready : usable;
  const index = pickByHash(among, hash);
  return index < 0 ? null : among[index];
}
