/**
 * Whatever the published CRD schemas (of Istio's v1beta1) refuse, Weir refuses: every document of the golden pairs, and mutants of
 * each with one value of another type, one value out of range or one field left out.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { DestinationRule } from '@kubernetes-models/istio/networking.istio.io/v1beta1/DestinationRule';
import { Gateway } from '@kubernetes-models/istio/networking.istio.io/v1beta1/Gateway';
import { ServiceEntry } from '@kubernetes-models/istio/networking.istio.io/v1beta1/ServiceEntry';
import { VirtualService } from '@kubernetes-models/istio/networking.istio.io/v1beta1/VirtualService';
import { WorkloadEntry } from '@kubernetes-models/istio/networking.istio.io/v1beta1/WorkloadEntry';
import { isRecord } from '../check.ts';
import { parseText } from '../text.ts';
import { istio } from './index.ts';

const models = { DestinationRule, Gateway, ServiceEntry, VirtualService, WorkloadEntry };

/** Fields that came after those schemas were published. */
const newer = new Set(['prefixRewrite', 'uriRegexRewrite', 'mirrors', 'unmatchedPreflights', 'warmup', 'withoutHeaders']);

function oracleAccepts(value: unknown): boolean | null {
  if (!isRecord(value) || typeof value.kind !== 'string') return null;
  const model = Object.entries(models).find(([kind]) => kind === value.kind)?.[1];
  if (model === undefined) return null;
  try {
    Reflect.construct(model, [{ ...value, apiVersion: 'networking.istio.io/v1beta1' }]).validate();
    return true;
  } catch {
    return false;
  }
}

function weirAccepts(value: unknown): boolean {
  const place = { line: 1, column: 1 };
  return istio.read({ file: 'a.yaml', index: 0, value, locate: () => place }).every(({ broken }) => !broken);
}

/** Copies of `value` with one thing changed. */
function* mutants(value: unknown): Generator<unknown> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) for (const other of mutants(item)) yield value.with(index, other);
    yield Object.fromEntries(value.entries());
    return;
  }
  if (isRecord(value)) {
    for (const [key, inner] of Object.entries(value)) {
      if (newer.has(key)) continue;
      for (const other of mutants(inner)) yield { ...value, [key]: other };
      const { [key]: _left, ...rest } = value;
      yield rest;
    }
    yield [value];
    return;
  }
  if (typeof value === 'string') yield* [17, true, `${value}€€`, [value], { value }];
  if (typeof value === 'number') yield* [String(value), -1, value + 0.5, 1e12, [value]];
  if (typeof value === 'boolean') yield* ['yes', 1];
}

const documents = readdirSync(new URL('./testdata/', import.meta.url))
  .filter((name) => name.endsWith('.in.yaml'))
  .flatMap((name) => parseText(name, readFileSync(new URL(`./testdata/${name}`, import.meta.url), 'utf8')).documents);

/** Something for the mutants to refer to. */
const others = documents.slice(0, 8).flatMap((document) => (istio.recognises(document) ? istio.read(document) : []));

test('istio oracle: what the CRD schemas refuse, Weir refuses', () => {
  let refused = 0;
  const missed: string[] = [];
  for (const { file, value } of documents) {
    if (!isRecord(value) || oracleAccepts(value) === null) continue;
    for (const spec of [value.spec, ...mutants(value.spec)]) {
      const document = { ...value, spec };
      if (oracleAccepts(document) !== false) continue;
      refused++;
      if (weirAccepts(document)) missed.push(`${file} ${JSON.stringify(document)}`);
    }
  }
  assert.ok(refused > 500, `only ${refused} mutants are refused by the oracle`);
  assert.deepEqual(missed, []);
});

test('istio: no mutant of a document makes reading or translating throw', () => {
  const place = { line: 1, column: 1 };
  let translated = 0;
  for (const { value } of documents) {
    if (!isRecord(value) || typeof value.apiVersion !== 'string' || !value.apiVersion.includes('istio.io')) continue;
    for (const mutant of mutants(value)) {
      const read = istio.read({ file: 'a.yaml', index: 0, value: mutant, locate: () => place });
      const input = { resources: [...others, ...read], options: { bind: '::', labels: null } };
      const { fragment } = istio.translate(input);
      istio.finish?.(fragment, input);
      translated++;
    }
  }
  assert.ok(translated > 500, `only ${translated} mutants`);
});
