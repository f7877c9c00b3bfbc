import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { checkAlone, checkForwarded, checkOracle, methods, onTheWire, type Target } from './check.ts';
import { cuts, mutate } from './mutate.ts';
import { Random } from './random.ts';

export const corpusDirectory = join(import.meta.dirname, 'corpus');

/** The corpus of one target, by file name. */
export function readCorpus(target: Target): Map<string, Buffer> {
  const directory = join(corpusDirectory, target);
  const names = readdirSync(directory).filter((name) => name.endsWith('.http'));
  return new Map(names.toSorted().map((name) => [name, readFileSync(join(directory, name))]));
}

export interface Campaign {
  target: Target;
  executions: number;
  seed: number;
  /** Where inputs that failed are kept; null keeps none. */
  saveTo: string | null;
  onProgress?: (done: number, result: CampaignResult) => void;
}

export interface CampaignResult {
  executions: number;
  /** Inputs of which at least one head was accepted: each was given to llhttp too. */
  accepted: number;
  findings: string[];
}

/** Inputs whose comparison with llhttp runs at the same time. */
const BATCH = 64;
const MAX_FINDINGS = 20;

/** Mutates the corpus `executions` times; stops after twenty findings. */
export async function run(campaign: Campaign): Promise<CampaignResult> {
  const { target, executions } = campaign;
  const random = new Random(campaign.seed);
  const corpus = [...readCorpus(target).values()];
  // Most hostile inputs are refused at once; changes to those that are not reach further.
  const lively = corpus.filter((input) => {
    const wire = onTheWire(target, input);
    const { reading } = checkAlone(target, wire, [], 'GET');
    return reading.messages.some((message) => message.complete);
  });
  const result: CampaignResult = { executions: 0, accepted: 0, findings: [] };
  let batch: Promise<void>[] = [];
  const found = (input: Buffer, finding: string): void => {
    if (finding === '') return;
    result.findings.push(`${JSON.stringify(input.toString('latin1'))}\n    ${finding}`);
    if (campaign.saveTo !== null) save(join(campaign.saveTo, target), input);
  };
  for (let i = 0; i < executions && result.findings.length < MAX_FINDINGS; i++) {
    const input = mutate(random.below(4) === 0 ? corpus : lively, random);
    const wire = onTheWire(target, input);
    const method = random.pick(methods);
    const splits = [cuts(wire.length, random)];
    result.executions++;
    let checked;
    try {
      checked = checkAlone(target, wire, splits, method);
    } catch (error) {
      found(input, `thrown: ${error instanceof Error ? error.stack : String(error)}`);
      continue;
    }
    found(input, checked.finding);
    if (checked.reading.messages.length !== 0) {
      result.accepted++;
      const { reading } = checked;
      batch.push(checkOracle(target, wire, reading, method).then((finding) => found(input, finding)));
      if (target !== 'response' && random.below(4) === 0) batch.push(checkForwarded(wire).then((finding) => found(input, finding)));
    }
    if (batch.length >= BATCH) {
      await Promise.all(batch);
      batch = [];
    }
    if (i % 100_000 === 99_999) campaign.onProgress?.(i + 1, result);
  }
  await Promise.all(batch);
  return result;
}

function save(directory: string, input: Buffer): void {
  mkdirSync(directory, { recursive: true });
  const name = createHash('sha256').update(input).digest('hex').slice(0, 12);
  writeFileSync(join(directory, `found-${name}.http`), input);
}
