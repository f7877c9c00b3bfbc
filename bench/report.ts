/** bench/RESULTS.md. */
import { execSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { idleSection, type IdleResult } from './idle.ts';
import type { Row, Standing } from './rows.ts';
import type { ScaleResult } from './scale.ts';
import type { SizeResult } from './size.ts';
import { mebibyte, spread, spreadText } from './statistics.ts';

export interface Results {
  readonly rounds: number;
  readonly seconds: number;
  readonly rows: readonly { readonly row: Row; readonly standings: readonly Standing[] }[];
  readonly scale: readonly ScaleResult[];
  readonly size: SizeResult | null;
  readonly idle: readonly IdleResult[];
}

function first(command: string): string {
  try {
    return execSync(`${command} 2>&1 || true`).toString().split('\n')[0].trim() || 'not installed';
  } catch {
    return 'not installed';
  }
}

function machine(): string {
  const cpu = /^model name\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown CPU';
  return `${cpu}, ${availableParallelism()} CPUs, Linux ${release()}`;
}

const head = (): string => `# Results

Written by \`npm run bench\` (\`-- --only ROW --update\` measures and replaces single sections); do not edit.

- Machine: ${machine()}
- Node ${process.version} · ${first('nginx -v').replace('nginx version: ', '')} · ${first('haproxy -v').replace(/ -.*| 20.*/, '')} · Caddy ${first('caddy version')} · ${first('wrk -v').replace(/ Copyright.*/, '')}
- Rounds of a section are interleaved; medians with least and greatest in parentheses.

How it is measured: the gateway (whole process tree) is pinned to one CPU, nginx as the upstream and wrk as the load to the other. **CPU µs**
is user + system time from \`/proc/PID/stat\` divided by finished requests (or by MiB of body), and is the figure to compare: throughput and
latency depend on the CPU that load and upstream share. Where a gateway was **busy** below 90 %, throughput and latency say little about it.
Every contender keeps \`Host\` and adds \`X-Forwarded-For\` and \`X-Forwarded-Proto\`, nginx and Weir \`X-Request-Id\` too; Weir alone
counts its metrics, in every row.
`;

function rowSection(row: Row, standings: readonly Standing[]): string {
  const peer = standings.find((standing) => standing.contender === row.peer);
  const base = peer === undefined || peer.rounds.length === 0 ? null : spread(peer.rounds.map((round) => round.cpuMicros)).median;
  const lines = [`## ${row.title}`, '', `\`npm run bench -- --only ${row.id}\``, ''];
  const unit = row.per === 'MiB' ? 'MiB/s' : `${row.per}s/s`;
  lines.push(
    `| contender | CPU µs/${row.per} | user + system | ratio to ${row.peer.name} | ${unit} | p50 ms | p99 ms | RSS MB | busy | errors |`,
  );
  lines.push('|---|---|---|---|---|---|---|---|---|---|');
  for (const { contender, rounds, missing } of standings) {
    if (missing !== null) {
      lines.push(`| ${contender.name} | ${missing} | | | | | | | | |`);
      continue;
    }
    const of = (pick: (round: (typeof rounds)[number]) => number) => spread(rounds.map(pick));
    const cpu = of((r) => r.cpuMicros);
    lines.push(
      `| ${[
        contender.name,
        spreadText(cpu, 1),
        `${of((r) => r.userMicros).median.toFixed(1)} + ${of((r) => r.systemMicros).median.toFixed(1)}`,
        base === null ? '' : (cpu.median / base).toFixed(2),
        spreadText(
          of((r) => r.perSecond),
          0,
        ),
        time(of((r) => r.p50Ms).median),
        time(of((r) => r.p99Ms).median),
        (of((r) => r.rss).median / mebibyte).toFixed(0),
        `${(of((r) => r.busy).median * 100).toFixed(0)} %`,
        rounds.reduce((sum, round) => sum + round.errors, 0),
      ].join(' | ')} |`,
    );
  }
  const own = standings[0];
  if (base !== null && own.contender.name.startsWith('Weir') && own.rounds.length > 0) {
    const ratio = spread(own.rounds.map((round) => round.cpuMicros)).median / base;
    lines.push(
      '',
      `Target: at most ${row.target.toFixed(2)} × ${row.peer.name}. Measured: ${ratio.toFixed(2)}, ${ratio <= row.target ? 'met' : '**missed**'}.`,
    );
  }
  return lines.join('\n');
}

/** 0: the load generator does not tell. */
function time(ms: number): string {
  return ms === 0 ? '–' : ms.toFixed(2);
}

function scaleSection(scale: readonly ScaleResult[]): string {
  const base = scale[0].cpuMicros;
  const lines = ['## Routes', '', '`npm run bench -- --only routes`', ''];
  lines.push(
    '| routes | CPU µs/request | ratio | ready ms | an edit applied, ms | longest wait of a client meanwhile, ms | RSS MB |',
    '|---|---|---|---|---|---|---|',
  );
  for (const r of scale) {
    lines.push(
      `| ${r.routes.toLocaleString('en')} | ${r.cpuMicros.toFixed(1)} | ${(r.cpuMicros / base).toFixed(2)} | ${r.readyMs.toFixed(0)} | ${r.applyMs.toFixed(0)} | ${r.stallMs.toFixed(0)} | ${(r.rss / mebibyte).toFixed(0)} |`,
    );
  }
  lines.push(
    '',
    'The whole process is on one CPU here: while an edit is compiled, compiler and data worker share it. Targets: 10,000 routes cost at most 1.15 × ten and apply in under 1,500 ms.',
  );
  return lines.join('\n');
}

function sizeSection(size: SizeResult): string {
  const rows: readonly (readonly [string, string, string])[] = [
    ['start to first answer, ms', spreadText(size.readyMs, 0), '< 700'],
    ['`weir validate` of a small file, ms', spreadText(size.validateMs, 0), '< 350'],
    ['RSS after start, one worker, 100 routes, MB', size.rssStart.toFixed(0), '< 110'],
    ['RSS after warm-up, MB', size.rssWarm.toFixed(0), '< 110'],
    [`RSS after ${size.requestsBetween.toLocaleString('en')} requests more, MB`, size.rssEnd.toFixed(0), 'flat'],
    [`one of ${size.idleConnections.toLocaleString('en')} idle connections, KB`, size.idleKib.toFixed(1), '< 8'],
  ];
  return [
    '## Size and start',
    '',
    '`npm run bench -- --only size`',
    '',
    '| what | measured | target |',
    '|---|---|---|',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');
}

export function report(results: Results): string {
  const { rounds, seconds } = results;
  const when = `, ${rounds} rounds of ${seconds} s, ${new Date().toISOString().slice(0, 10)}`;
  const dated = (section: string): string => section.replace(/^(`npm run bench -- --only \S+`)$/m, `$1${when}`);
  const sections = results.rows.map(({ row, standings }) => rowSection(row, standings));
  if (results.scale.length > 0) sections.push(scaleSection(results.scale));
  if (results.size !== null) sections.push(sizeSection(results.size));
  if (results.idle.length > 0) sections.push(idleSection(results.idle));
  return `${head()}\n${sections.map(dated).join('\n\n')}\n`;
}

/** `old` with the sections of `fresh` in the place of those of the same title, and its head. */
export function merged(old: string, fresh: string): string {
  const [top = '', ...news] = fresh.split(/^(?=## )/m);
  const [, ...olds] = old.split(/^(?=## )/m);
  const title = (section: string): string => section.slice(0, section.indexOf('\n'));
  const kept = olds.map((section) => news.find((other) => title(other) === title(section)) ?? section);
  const added = news.filter((section) => !olds.some((other) => title(other) === title(section)));
  return `${top}${[...kept, ...added].map((section) => section.trimEnd()).join('\n\n')}\n`;
}
