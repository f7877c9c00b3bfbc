import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bindOnce, usableAddress } from '../../control/bindings.ts';
import type { RunFlags } from '../run/options.ts';
import { run } from '../run/process.ts';
import { print } from '../shared.ts';
import { demoFiles, demoKey, demoPorts } from './config.ts';
import { startServices } from './services.ts';
import { startTraffic } from './traffic.ts';

const requestsPerSecond = 20;

/** `weir demo`: `weir run` on a configuration of its own, with services behind it and traffic in front. */
export async function demo(flags: Omit<RunFlags, 'file'>): Promise<void> {
  const services = await startServices();
  const directory = mkdtempSync(join(tmpdir(), 'weir-demo-'));
  for (const [name, text] of Object.entries(demoFiles(services.ports))) writeFileSync(join(directory, name), text);
  const clean = (): void => rmSync(directory, { recursive: true, force: true });
  process.once('exit', clean);
  const bind = await usableAddress(flags.bind);
  const mapPort = new Map(flags.mapPort);
  for (const port of Object.values(demoPorts)) {
    // Port 0 takes any free one: the demo must not fail because something else runs.
    if (!mapPort.has(port) && !(await isFree(bind, port))) mapPort.set(port, 0);
  }
  const admin = (await isFree(flags.admin.host, flags.admin.port)) ? flags.admin : { ...flags.admin, port: 0 };
  const accessLog = flags.accessLog === '-' ? join(directory, 'access.log') : flags.accessLog;
  let traffic: { close(): void } | null = null;
  const running = await run(
    { ...flags, bind, file: [directory], mapPort, admin, accessLog },
    {
      // First the traffic: a gateway that is asked on and on has no end to its drain.
      onEnding: () => traffic?.close(),
      onEnded: () => {
        services.close();
        clean();
      },
    },
  );
  if (running === null) return;
  const ports = realPorts(running.gateway.state.bindings);
  traffic = startTraffic(
    [
      { port: ports.istio, path: '/reviews/1', headers: {}, share: 5 },
      { port: ports.istio, path: '/shop/cart', headers: {}, share: 3 },
      { port: ports.gatewayApi, path: '/orders/7', headers: {}, share: 3 },
      { port: ports.gatewayApi, path: '/nothing-here', headers: {}, share: 0.2 },
      { port: ports.kong, path: '/partners/list', headers: {}, share: 0.3 },
    ],
    requestsPerSecond,
  );
  await print(process.stdout, text(running.adminUrl, directory, accessLog, ports));
}

interface RealPorts {
  readonly istio: number;
  readonly gatewayApi: number;
  readonly kong: number;
}

function realPorts(bindings: readonly { readonly listener: string; readonly port: number }[]): RealPorts {
  const real = (port: number): number => bindings.find(({ listener }) => listener.endsWith(`:${port}`))?.port ?? port;
  return { istio: real(demoPorts.istio), gatewayApi: real(demoPorts.gatewayApi), kong: real(demoPorts.kong) };
}

async function isFree(address: string, port: number): Promise<boolean> {
  try {
    await bindOnce(address, port);
    return true;
  } catch {
    return false;
  }
}

function text(adminUrl: string, directory: string, accessLog: string, ports: RealPorts): string {
  return `
The demo runs: four services, three dialects, one gateway.

  Open ${adminUrl} to see what runs, live.

Try these in another terminal:

  # Istio: a canary (one in ten goes to v2), a header that picks v2, a redirect, a rewrite
  curl http://localhost:${ports.istio}/reviews/1
  curl -H 'x-tester: yes' http://localhost:${ports.istio}/reviews/1
  curl -i http://localhost:${ports.istio}/old-shop
  curl http://localhost:${ports.istio}/shop/cart

  # Gateway API: a response header, and a limit from a weir.dev Policy
  curl -i http://localhost:${ports.gatewayApi}/orders/7

  # Kong: 401 without a key, 200 with it, 429 after ten in a minute
  curl -i http://localhost:${ports.kong}/partners/list
  curl -i -H 'apikey: ${demoKey}' http://localhost:${ports.kong}/partners/list

  # Why? The same code that serves answers, and sends nothing
  curl -d '{"url":"http://localhost:${ports.istio}/reviews/1"}' ${adminUrl}api/v1/explain

Edit a file in ${directory} and save: the change is applied without losing a request.
The access log is ${accessLog}. Ctrl-C ends the demo and removes both.

`;
}
