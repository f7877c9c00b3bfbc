import { Agent, request } from 'node:http';

export interface TrafficTarget {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Relative to the others. */
  readonly share: number;
}

/** `User-Agent` of the demo's own requests. */
export const trafficAgent = 'weir-demo';

/** Sends a steady trickle of requests to 127.0.0.1, so that there is something to look at. Never holds the process. */
export function startTraffic(targets: readonly TrafficTarget[], perSecond: number): { close(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const shares = targets.reduce((sum, { share }) => sum + share, 0);
  const timer = setInterval(() => {
    let roll = Math.random() * shares;
    const target = targets.find(({ share }) => (roll -= share) < 0);
    if (target === undefined) return;
    const { port, path, headers } = target;
    const sent = request(
      { agent, host: '127.0.0.1', port, path, headers: { ...headers, 'user-agent': trafficAgent }, timeout: 5000 },
      (response) => response.resume(),
    );
    // A reload or the end may cut a request of the demo; it has nobody to tell.
    sent.on('error', () => {});
    sent.on('timeout', () => sent.destroy());
    sent.end();
  }, 1000 / perSecond);
  timer.unref();
  return {
    close() {
      clearInterval(timer);
      agent.destroy();
    },
  };
}
