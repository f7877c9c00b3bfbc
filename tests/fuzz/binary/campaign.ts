import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { corpusDirectory, readCorpus, type CampaignResult } from '../campaign.ts';
import { Random } from '../random.ts';
import { clientHelloTarget } from './client-hello.ts';
import { detectTarget } from './detect.ts';
import { grpcTarget } from './grpc.ts';
import { proxyProtocolTarget } from './proxy-protocol.ts';
import type { BinaryTarget } from './target.ts';

export const binaryTargets: readonly BinaryTarget[] = [proxyProtocolTarget, clientHelloTarget, grpcTarget, detectTarget];

export interface BinaryCampaign {
  readonly target: BinaryTarget;
  readonly executions: number;
  readonly seed: number;
  /** Where inputs that failed are kept; null keeps none. */
  readonly saveTo: string | null;
  readonly onProgress?: (done: number, result: CampaignResult) => void;
}

const MAX_FINDINGS = 20;

/** Seeds are hexadecimal text, white space between the digits as one likes; `detect` adds the requests of HTTP/1. */
export function readBinaryCorpus(target: BinaryTarget): Map<string, Buffer> {
  const directory = join(corpusDirectory, target.name);
  const names = readdirSync(directory).filter((name) => name.endsWith('.hex'));
  return new Map(
    names.toSorted().map((name) => [name, Buffer.from(readFileSync(join(directory, name), 'utf8').replaceAll(/\s+/g, ''), 'hex')]),
  );
}

/** Mutates the corpus `executions` times; stops after twenty findings. */
export async function runBinary(campaign: BinaryCampaign): Promise<CampaignResult> {
  const { target } = campaign;
  const random = new Random(campaign.seed);
  const corpus = [...readBinaryCorpus(target).values(), ...(target.name === 'detect' ? readCorpus('request').values() : [])];
  const lively = corpus.filter((input) => target.check(input, random).accepted);
  const result: CampaignResult = { executions: 0, accepted: 0, findings: [] };
  const found = (input: Buffer, finding: string): void => {
    if (finding === '') return;
    result.findings.push(`${input.toString('hex')}\n    ${finding}`);
    if (campaign.saveTo !== null) save(join(campaign.saveTo, target.name), input);
  };
  while (result.executions < campaign.executions && result.findings.length < MAX_FINDINGS) {
    const input = target.mutate(random.below(4) === 0 ? corpus : lively, random);
    result.executions++;
    try {
      const { accepted, finding } = target.check(input, random);
      found(input, finding);
      if (accepted) result.accepted++;
      const asks = accepted && target.oracle !== undefined && random.below(target.oracleEvery ?? 1) === 0;
      if (asks && target.oracle !== undefined) found(input, await target.oracle(input));
    } catch (error) {
      found(input, `thrown: ${error instanceof Error ? error.stack : String(error)}`);
    }
    if (result.executions % 100_000 === 0) campaign.onProgress?.(result.executions, result);
  }
  return result;
}

function save(directory: string, input: Buffer): void {
  mkdirSync(directory, { recursive: true });
  const name = createHash('sha256').update(input).digest('hex').slice(0, 12);
  writeFileSync(join(directory, `found-${name}.hex`), `${input.toString('hex').replaceAll(/.{120}/g, '$&\n')}\n`);
}
