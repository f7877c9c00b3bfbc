import { parseArgs } from 'node:util';
import { binaryTargets, runBinary } from './binary/campaign.ts';
import { corpusDirectory, run, type CampaignResult } from './campaign.ts';
import { targets } from './check.ts';
import { runHttp2 } from './http2/campaign.ts';
import { runHttp2Upstream } from './http2/upstream.ts';
import { runIntake } from './intake/campaign.ts';
import { runProxy } from './proxy/campaign.ts';

// node tests/fuzz/run.ts [--target NAME|all] [--executions N] [--seed S] [--no-save]
const { values } = parseArgs({
  options: {
    target: { type: 'string', default: 'all' },
    executions: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    save: { type: 'boolean', default: true },
  },
  allowNegative: true,
});

const runnable: readonly string[] = [...targets, 'proxy', 'http2', 'http2-upstream', 'intake', ...binaryTargets.map(({ name }) => name)];
const chosen = runnable.filter((target) => values.target === 'all' || values.target === target);
const executions = Number(values.executions);
const seed = Number(values.seed);
if (chosen.length === 0 || !Number.isSafeInteger(executions) || executions < 1 || !Number.isSafeInteger(seed)) {
  console.error(`usage: node tests/fuzz/run.ts [--target ${runnable.join('|')}|all] [--executions N] [--seed S] [--no-save]`);
  process.exit(2);
}

type Settings = Omit<Parameters<typeof run>[0], 'target'>;

function runTarget(name: string, settings: Settings): Promise<CampaignResult> {
  if (name === 'proxy') return runProxy(settings);
  if (name === 'http2') return runHttp2(settings);
  if (name === 'intake') return runIntake(settings);
  if (name === 'http2-upstream') return runHttp2Upstream(settings);
  const binary = binaryTargets.find((target) => target.name === name);
  if (binary !== undefined) return runBinary({ target: binary, ...settings });
  const target = targets.find((one) => one === name);
  return target === undefined ? Promise.reject(new Error(`no target ${name}`)) : run({ target, ...settings });
}

let failed = false;
for (const target of chosen) {
  const started = performance.now();
  const rate = (done: number): number => Math.round((done * 1000) / (performance.now() - started));
  const settings = {
    executions,
    seed,
    saveTo: values.save ? corpusDirectory : null,
    onProgress: (done: number, { accepted, findings }: CampaignResult): void =>
      console.error(`${target}: ${done} executions, ${rate(done)}/s, ${accepted} accepted, ${findings.length} findings`),
  };
  const result = await runTarget(target, settings);
  console.log(
    `${target}: ${result.executions} executions, ${rate(result.executions)}/s, ${result.accepted} accepted, ${result.findings.length} findings`,
  );
  for (const finding of result.findings) console.log(`  ${finding}`);
  failed ||= result.findings.length !== 0;
}
process.exit(failed ? 1 : 0);
