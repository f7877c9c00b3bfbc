/** What many routes cost: each request, an edit, memory. Weir alone; the rows are compared with the smallest. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { runArguments } from './contenders/weir.ts';
import { freePort, start, untilListening } from './process.ts';
import type { Place } from './rows.ts';
import { spread } from './statistics.ts';
import { wrk } from './wrk.ts';

export interface ScaleResult {
  readonly routes: number;
  /** CPU µs per request, requests spread over the routes. */
  readonly cpuMicros: number;
  /** From the start of the process to the first answer, ms. */
  readonly readyMs: number;
  /** From a file renamed into place to the new route answering, ms, median. */
  readonly applyMs: number;
  /** Longest wait of one keep-alive client for an answer while edits were applied, ms. */
  readonly stallMs: number;
  readonly rss: number;
}

/** A Kong document: one service, so that the upstream's pool is the same however many routes there are; each route a path of its own. */
function config(routes: number, upstreamPort: number, extra: string): string {
  const list = Array.from({ length: routes }, (_, i) => ({ name: `r${i}`, paths: [`/team-${i % 97}/api/r${i}`] }));
  const all = [...list, { name: 'extra', paths: [extra] }];
  return JSON.stringify({ _format_version: '3.0', services: [{ name: 'all', url: `http://127.0.0.1:${upstreamPort}`, routes: all }] });
}

/** Walks through 1,000 paths spread evenly over the routes. */
function script(routes: number): string {
  return `
local n, i, requests = ${routes}, 0, {}
-- In init, where wrk knows the Host header.
init = function(args)
  for k = 0, 999 do
    local r = math.floor(k * n / 1000) % n
    requests[k] = wrk.format("GET", "/team-" .. (r % 97) .. "/api/r" .. r .. "/small")
  end
end
request = function() i = (i + 1) % 1000; return requests[i] end
`;
}

export async function runScale(routes: number, place: Place, rounds: number, seconds: number): Promise<ScaleResult> {
  const directory = join(place.directory, `scale-${routes}`);
  mkdirSync(directory, { recursive: true });
  const file = join(directory, 'config.json');
  writeFileSync(file, config(routes, place.upstreamPort, '/extra-0'));
  const port = await freePort();
  const arguments_ = [...(await runArguments(file, directory, 'off')), '--map-port', `8000:${port}`, '--bind', '127.0.0.1'];
  const log = join(directory, 'output.log');
  const began = performance.now();
  const gateway = start(arguments_, { cpu: place.gatewayCpu, cwd: directory, log });
  try {
    await untilListening(port, gateway, log, 60_000);
    const readyMs = performance.now() - began;
    const load = {
      url: `http://127.0.0.1:${port}/team-0/api/r0/small`,
      connections: 64,
      headers: [],
      cpu: place.loadCpu,
      directory,
      script: script(routes),
    };
    await wrk({ ...load, seconds: Math.min(2, seconds) });
    const costs: number[] = [];
    for (let i = 0; i < rounds; i++) {
      const before = gateway.usage();
      const result = await wrk({ ...load, seconds });
      const after = gateway.usage();
      if (result.errors > 0) throw new Error(`${result.errors} errors with ${routes} routes`);
      costs.push(((after.user + after.system - before.user - before.system) * 1e6) / result.requests);
    }
    const applies: number[] = [];
    let stallMs = 0;
    for (let i = 1; i <= Math.max(3, rounds); i++) {
      const edit = await applyEdit(file, directory, port, config(routes, place.upstreamPort, `/extra-${i}`), `/extra-${i}`);
      applies.push(edit.applyMs);
      stallMs = Math.max(stallMs, edit.stallMs);
    }
    return { routes, cpuMicros: spread(costs).median, readyMs, applyMs: spread(applies).median, stallMs, rss: gateway.usage().rss };
  } finally {
    await gateway.stop();
  }
}

/** Renames a new version into place, then asks for its new route every few milliseconds on one connection. */
async function applyEdit(
  file: string,
  directory: string,
  port: number,
  text: string,
  path: string,
): Promise<{ applyMs: number; stallMs: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    const next = join(directory, 'next');
    writeFileSync(next, text);
    const began = performance.now();
    renameSync(next, file);
    let stallMs = 0;
    for (;;) {
      const asked = performance.now();
      const status = await statusOf(agent, port, path);
      stallMs = Math.max(stallMs, performance.now() - asked);
      if (status === 200) return { applyMs: performance.now() - began, stallMs };
      if (performance.now() - began > 60_000) throw new Error(`${path} does not answer a minute after the edit`);
      await delay(2);
    }
  } finally {
    agent.destroy();
  }
}

function statusOf(agent: Agent, port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ agent, port, host: '127.0.0.1', path }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    }).once('error', reject);
  });
}
