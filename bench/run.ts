/**
 * `npm run bench`: measures Weir beside its peers on this machine and writes bench/RESULTS.md. Needs Linux, two CPUs,
 * taskset, nginx and wrk; other peers are left out when they are not installed.
 */
import { chmodSync, existsSync, mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startUpstream } from './contenders/nginx.ts';
import { weirProgram } from './contenders/weir.ts';
import { freePort, stopAll, untilListening } from './process.ts';
import { merged, report } from './report.ts';
import { runIdle } from './idle.ts';
import { protocolRows } from './protocol-rows.ts';
import { installed, rows as httpRows, runRow, type Place, type Standing } from './rows.ts';
import { runScale, type ScaleResult } from './scale.ts';
import { runSize } from './size.ts';

const rows = [...httpRows, ...protocolRows];

const usage = `npm run bench -- [--rounds 5] [--seconds 5] [--only ${rows.map((row) => row.id).join(',')},routes,size,idle] [--contenders Weir,HAProxy] [--quick] [--update | --out FILE]`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    out: { type: 'string' },
    quick: { type: 'boolean', default: false },
    update: { type: 'boolean', default: false },
    contenders: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

function positive(text: string | undefined, fallback: number): number {
  const value = Number(text ?? fallback);
  if (!Number.isInteger(value) || value < 1) throw new Error(`'${text}' is not a whole number above 0\n${usage}`);
  return value;
}

async function main(): Promise<void> {
  if (values.help) return console.log(usage);
  const rounds = positive(values.rounds, values.quick ? 1 : 5);
  const seconds = positive(values.seconds, values.quick ? 1 : 5);
  const only = values.only?.split(',');
  const known = new Set([...rows.map((row) => row.id), 'routes', 'size', 'idle']);
  for (const id of only ?? []) if (!known.has(id)) throw new Error(`there is no row '${id}'\n${usage}`);
  const named = values.contenders?.split(',');
  const ofWeir = named === undefined || named.includes('Weir');
  const wanted = (id: string): boolean => only === undefined || only.includes(id);
  for (const program of ['taskset', 'nginx', 'wrk'])
    if (!installed(program)) throw new Error(`the bench needs ${program} (apt-get install nginx wrk util-linux)`);
  if (availableParallelism() < 2) throw new Error('the bench needs two CPUs: one for the gateway, one for load and upstream');
  const directory = mkdtempSync(join(tmpdir(), 'weir-bench-'));
  // nginx started by root drops its rights: its workers must be able to read the upstream's files.
  chmodSync(directory, 0o755);
  const say = (text: string): void => console.error(text);
  say(`Weir is ${weirProgram}`);
  const upstreamPort = await freePort();
  const upstreamDirectory = join(directory, 'upstream');
  mkdirSync(upstreamDirectory);
  const upstream = startUpstream({ port: upstreamPort, upstreamPort: 0, directory: upstreamDirectory, cpu: '1' });
  try {
    await untilListening(upstreamPort, upstream, join(upstreamDirectory, 'output.log'));
    const place: Place = { directory, upstreamPort, gatewayCpu: '0', loadCpu: '1' };
    const done: { row: (typeof rows)[number]; standings: readonly Standing[] }[] = [];
    for (const row of rows.filter((candidate) => wanted(candidate.id))) {
      const contenders = row.contenders.filter(({ name }) => named === undefined || named.some((part) => name.startsWith(part)));
      if (contenders.length === 0) continue;
      done.push({ row, standings: await runRow({ ...row, contenders }, place, rounds, seconds, say) });
    }
    const scale: ScaleResult[] = [];
    for (const routes of wanted('routes') && ofWeir ? [10, 1000, 10_000, 100_000] : []) {
      scale.push(await runScale(routes, place, Math.min(3, rounds), seconds));
      say(`routes ${routes}: ${JSON.stringify(scale.at(-1))}`);
    }
    const size = wanted('size') && ofWeir ? await runSize(place, values.quick) : null;
    const idle = wanted('idle') && ofWeir ? await runIdle(place, values.quick) : [];
    const text = report({ rounds, seconds, rows: done, scale, size, idle });
    console.log(text);
    // A quick run or a part of the table does not replace the published one.
    const published = join(import.meta.dirname, 'RESULTS.md');
    if (values.update && existsSync(published)) writeFileSync(published, merged(readFileSync(published, 'utf8'), text));
    else if (values.out !== undefined) writeFileSync(values.out, text);
    else if (only === undefined && !values.quick && named === undefined) writeFileSync(published, text);
  } finally {
    await upstream.stop();
    stopAll();
    rmSync(directory, { recursive: true, force: true });
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stopAll();
    process.exit(130);
  });
}
await main().catch((error: unknown) => {
  stopAll();
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
