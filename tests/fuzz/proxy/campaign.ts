import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { corpusDirectory, readCorpus, type CampaignResult } from '../campaign.ts';
import { checkAlone, onTheWire } from '../check.ts';
import { Random } from '../random.ts';
import { makeCase, proxyCaseSchema, type Material, type ProxyCase } from './case.ts';
import { Lane } from './engine.ts';
import { judge } from './judge.ts';

export interface ProxyCampaign {
  readonly executions: number;
  readonly seed: number;
  /** Where cases that failed are kept; null keeps none. */
  readonly saveTo: string | null;
  readonly onProgress?: (done: number, result: CampaignResult) => void;
}

/** Cases under way at the same time: they share the worker's buffers. */
const LANES = 48;
const MAX_FINDINGS = 20;

/** Requests and responses of the corpus; chunked bodies stand behind a head. */
export function readMaterial(): Material {
  const requests = [...readCorpus('request').values(), ...[...readCorpus('chunked').values()].map((input) => onTheWire('chunked', input))];
  const small = requests.filter((input) => input.length <= 4096);
  const lively = small.filter((input) => {
    const { reading } = checkAlone('request', input, [], 'GET');
    return reading.messages.some((message) => message.complete);
  });
  return { requests: small, lively, responses: [...readCorpus('response').values()].filter((input) => input.length <= 4096) };
}

/** Runs cases through the whole engine; stops after twenty findings. `accepted` counts those of which a request reached the backend. */
export async function runProxy(campaign: ProxyCampaign): Promise<CampaignResult> {
  const material = readMaterial();
  const result: CampaignResult = { executions: 0, accepted: 0, findings: [] };
  let next = 0;
  const work = async (): Promise<void> => {
    const lane = new Lane();
    while (next < campaign.executions && result.findings.length < MAX_FINDINGS) {
      const number = next++;
      // A case depends on its number alone, not on what ran beside it.
      const given = makeCase(material, new Random(Math.imul(campaign.seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)));
      const outcome = await lane.run(given);
      const finding = await judge(given, outcome);
      result.executions++;
      if (outcome.peers.some((peer) => peer.served.length !== 0)) result.accepted++;
      if (finding !== '') {
        result.findings.push(`${finding}\n    ${JSON.stringify(given)}`);
        if (campaign.saveTo !== null) save(join(campaign.saveTo, 'proxy'), given);
      }
      if (result.executions % 20_000 === 0) campaign.onProgress?.(result.executions, result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, campaign.executions) }, work));
  return result;
}

/** Runs one case alone: '' when nothing is wrong. */
export async function checkCase(given: ProxyCase): Promise<string> {
  return judge(given, await new Lane().run(given));
}

/** Cases that were found once, by file name. */
export function readProxyCorpus(): Map<string, ProxyCase> {
  const directory = join(corpusDirectory, 'proxy');
  const names = readdirSync(directory).filter((name) => name.endsWith('.json'));
  return new Map(names.toSorted().map((name) => [name, proxyCaseSchema.parse(JSON.parse(readFileSync(join(directory, name), 'utf8')))]));
}

function save(directory: string, given: ProxyCase): void {
  mkdirSync(directory, { recursive: true });
  const text = `${JSON.stringify(given, null, 2)}\n`;
  writeFileSync(join(directory, `found-${createHash('sha256').update(text).digest('hex').slice(0, 12)}.json`), text);
}
