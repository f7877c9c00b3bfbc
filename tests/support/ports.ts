/** Ports of loopback that no other test takes, whatever runs beside it. */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what systems give to outgoing connections and to `listen(0)`: nobody gets one of these by chance. */
const lowest = 12_000;
const highest = 30_000;
const maxTries = 1000;

/** Taken for as long as this process lives. The name goes with the process, however it ends. */
async function reserve(port: number): Promise<boolean> {
  // Elsewhere there are no such names: then two processes are kept apart by chance only.
  if (process.platform !== 'linux') return true;
  const server = createServer();
  return settled(server, () => void server.listen(`\0weir-test-port-${port}`).unref());
}

/** Whether what `begin` starts listens, and not fails. */
async function settled(emitter: NodeJS.EventEmitter, begin: () => void): Promise<boolean> {
  const listening = once(emitter, 'listening');
  begin();
  try {
    await listening;
    return true;
  } catch {
    return false;
  }
}

async function isFreeTcp(port: number): Promise<boolean> {
  const server = createServer();
  if (!(await settled(server, () => void server.listen(port)))) return false;
  server.close();
  await once(server, 'close');
  return true;
}

async function isFreeUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  const isFree = await settled(socket, () => void socket.bind(port));
  socket.close();
  return isFree;
}

/**
 * A port of TCP and UDP that nothing listens on, for this process alone: between the look and the use of it, no other test gets it,
 * so that it may also stand for a server that is not there.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < maxTries; tries++) {
    const port = randomInt(lowest, highest);
    if ((await reserve(port)) && (await isFreeTcp(port)) && (await isFreeUdp(port))) return port;
  }
  throw new Error(`no port between ${lowest} and ${highest} is free`);
}
