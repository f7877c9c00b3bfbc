import { Socket } from 'node:net';
import { joinAddress, plainAddress } from '../../base/ip.ts';
import type { ConnectionChain } from '../../model/chain.ts';
import type { ClientConnection, PeerTls } from '../listen/client.ts';

let connectionIds = 0;

/** Stands for no socket between two clients. */
export const unattached = new Socket();

/** Who is at the other end of a client connection. What a plain socket knows itself is asked of it when it is needed. */
export class Peer {
  connectionId = 0;
  /** Of the PROXY header where one is believed, else the socket's; '' for a Unix socket. */
  remoteAddress = '';
  remotePort = 0;
  tls: PeerTls | null = null;
  chain: ConnectionChain | null = null;
  protected socket: Socket = unattached;
  private client: ClientConnection | null = null;

  /** `client` null: an accepted socket of which nothing more is known. */
  protected meet(socket: Socket, client: ClientConnection | null): void {
    this.socket = socket;
    this.client = client;
    this.connectionId = ++connectionIds;
    if (client === null) {
      this.remoteAddress = plainAddress(socket.remoteAddress ?? '');
      this.remotePort = socket.remotePort ?? 0;
      this.tls = null;
      this.chain = null;
    } else {
      this.remoteAddress = client.remoteAddress;
      this.remotePort = client.remotePort;
      this.tls = client.tls;
      this.chain = client.chain;
    }
  }

  /** What is known of the connection, for other code to serve it. */
  protected asClient(peeked: Buffer): ClientConnection {
    const { client, socket, remoteAddress, remotePort, tls, chain } = this;
    return {
      socket,
      remoteAddress,
      remotePort,
      directRemoteAddress: client?.directRemoteAddress ?? remoteAddress,
      directRemotePort: client?.directRemotePort ?? remotePort,
      localAddress: client?.localAddress ?? plainAddress(socket.localAddress ?? ''),
      localPort: client?.localPort ?? socket.localPort ?? 0,
      tls,
      serverName: '',
      chain,
      peeked,
    };
  }

  /** `ip:port` of our end. */
  get localAddress(): string {
    const { client, socket } = this;
    if (client !== null) return joinAddress(client.localAddress, client.localPort);
    return joinAddress(plainAddress(socket.localAddress ?? ''), socket.localPort ?? 0);
  }

  /** `ip:port` of the socket's other end, whatever a PROXY header says. */
  get directRemoteAddress(): string {
    const { client } = this;
    if (client !== null) return joinAddress(client.directRemoteAddress, client.directRemotePort);
    return joinAddress(this.remoteAddress, this.remotePort);
  }
}
