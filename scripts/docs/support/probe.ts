/** Sets one field at a time and looks at what the compiler makes of it. */
import { compileSources, defaultOptions, type Compiled } from '../../../src/dialects/compile.ts';
import { candidates, fieldText, isChoice, leaves, withField, type Field, type Step } from './walk.ts';
import type { Part, Subject } from './subject.ts';

/**
 * `honoured`: it changes what runs. `pending`: understood, reported as not running (WR0108). `refused`: an error whatever its
 * value (WR0109 and others). `reported`: it changes nothing but what is reported. `silent`: no effect that could be seen.
 * `unreachable`: no value was found that passes the schema.
 */
export type State = 'honoured' | 'pending' | 'refused' | 'reported' | 'silent' | 'unreachable';

export interface ProbeResult {
  readonly field: string;
  readonly state: State;
  /** Values of an enumeration that behave otherwise, and codes. */
  readonly note: string;
}

interface Outcome {
  readonly state: State;
  readonly code: string;
  readonly value: unknown;
}

const schemaCodes = new Set(['WR0101', 'WR0103', 'WR0104', 'WR0105', 'WR0106', 'WR0107', 'WR0111']);

/** Errors about a name that leads nowhere: the field is read and decides, the value was only not one of this configuration's. */
const lookups = new Set(
  'WR0203 WR0206 WR0208 WR0302 WR0303 WR0306 WR0307 WR0315 WR0318 WR0319 WR0323 WR0326 WR0331 WR0333 WR0401 WR0501'.split(' '),
);

export async function probe(subject: Subject): Promise<readonly ProbeResult[]> {
  const baselines = await Promise.all(subject.bases.map((base) => compile(subject.documents(base))));
  if (subject.whole !== undefined) return [whole(subject.whole, baselines[0])];
  const parts = await Promise.all((subject.parts ?? []).map((part) => probePart(subject, part, baselines[0])));
  const results: ProbeResult[] = [];
  for (const field of leaves(subject.schema)) {
    const text = fieldText(field.path);
    if (subject.skip?.(text) === true) continue;
    const result = await probeField(subject, field, text, baselines);
    const part = parts.find(({ prefix }) => text.startsWith(prefix));
    const untold = result.state === 'silent' || result.state === 'unreachable';
    results.push(untold && part !== undefined ? { ...result, state: part.state, note: `as \`${part.prefix}\` (${part.code})` } : result);
  }
  return results;
}

/** What becomes of a part; `silent` when the base does not show what the part is said to be. */
async function probePart(subject: Subject, part: Part, baseline: Compiled): Promise<{ prefix: string; state: State; code: string }> {
  const compiled = await compile(subject.documents(part.base));
  const outcome = judge(compiled, baseline, part.base);
  if (outcome.state === part.state) return { prefix: part.prefix, state: part.state, code: outcome.code };
  const told = new Set(baseline.diagnostics.map(({ code, message }) => `${code} ${message}`));
  const warning = compiled.diagnostics.find(({ code, message }) => !told.has(`${code} ${message}`));
  const reported = part.state === 'reported' && outcome.state === 'honoured' && warning !== undefined;
  return { prefix: part.prefix, state: reported ? 'reported' : 'silent', code: warning?.code ?? '' };
}

function whole(state: 'pending' | 'refused', { diagnostics }: Compiled): ProbeResult {
  const wanted = state === 'pending' ? 'WR0108' : 'WR0109';
  const found = diagnostics.find(
    ({ code, severity }) => code === wanted || (state === 'refused' && severity === 'error' && !schemaCodes.has(code)),
  );
  return { field: '*', state: found === undefined ? 'silent' : state, note: found?.code ?? '' };
}

async function probeField(subject: Subject, field: Field, text: string, baselines: readonly Compiled[]): Promise<ProbeResult> {
  const values = subject.values?.[text] ?? field.schemas.flatMap((schema) => candidates(schema));
  const outcomes: Outcome[] = [];
  // An enumeration's values may differ; of other values one that tells something is enough.
  const every = subject.values?.[text] !== undefined || field.schemas.every((schema) => isChoice(schema));
  for (const value of values) {
    let best: Outcome = { state: 'unreachable', code: '', value };
    for (const [index, base] of subject.bases.entries()) {
      const document = withField(base, subject.schema, field.path, value);
      if (document === null) continue;
      best = better(best, judge(await compile(subject.documents(document)), baselines[index], value));
      if (best.state === 'honoured' || best.state === 'pending') break;
    }
    outcomes.push(best);
    if (!every && (best.state === 'honoured' || best.state === 'pending')) break;
  }
  // What a base itself says runs, unless nothing tells it from its absence.
  const running: readonly unknown[] = subject.bases.map((base) => valueAt(base, field.path)).filter((value) => value !== undefined);
  const told = outcomes.some(({ state }) => state === 'pending' || state === 'refused');
  const settled = outcomes.map((outcome): Outcome =>
    told && outcome.state !== 'honoured' && running.includes(outcome.value) ? { ...outcome, state: 'honoured' } : outcome,
  );
  return { field: text, ...summary(settled) };
}

/** The first value at a path; undefined when there is none. */
function valueAt(value: unknown, path: readonly Step[]): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = step === '[]' || step === '{}' ? Object.values(at)[0] : Reflect.get(at, step);
  }
  return at;
}

const order: readonly State[] = ['unreachable', 'silent', 'reported', 'refused', 'pending', 'honoured'];

function better(a: Outcome, b: Outcome): Outcome {
  return order.indexOf(b.state) > order.indexOf(a.state) ? b : a;
}

function summary(outcomes: readonly Outcome[]): { state: State; note: string } {
  let best: Outcome = { state: 'unreachable', code: '', value: null };
  for (const outcome of outcomes) best = better(best, outcome);
  const others = new Map<State, string[]>();
  for (const outcome of outcomes) {
    if (outcome.state === best.state || (outcome.state !== 'pending' && outcome.state !== 'refused')) continue;
    if (typeof outcome.value === 'string' && outcome.value.length > 40) continue;
    others.set(outcome.state, [...(others.get(outcome.state) ?? []), JSON.stringify(outcome.value)]);
  }
  const code = best.state === 'honoured' || best.state === 'silent' ? '' : best.code;
  return {
    state: best.state,
    note: [code, ...[...others].map(([state, values]) => `${values.join(', ')}: ${state}`)].filter((part) => part !== '').join('; '),
  };
}

function judge(compiled: Compiled, baseline: Compiled, value: unknown): Outcome {
  const before = new Map<string, number>();
  for (const { code, message } of baseline.diagnostics) before.set(`${code} ${message}`, (before.get(`${code} ${message}`) ?? 0) + 1);
  const fresh = compiled.diagnostics.filter(({ code, message }) => {
    const left = before.get(`${code} ${message}`) ?? 0;
    if (left > 0) before.set(`${code} ${message}`, left - 1);
    return left === 0;
  });
  const of = (state: State, code = ''): Outcome => ({ state, code, value });
  if (fresh.some(({ code }) => schemaCodes.has(code))) return of('unreachable');
  const restricted = fresh.find(({ code }) => code === 'WR0109');
  if (restricted !== undefined) return of('refused', restricted.code);
  const waiting = fresh.find(({ code }) => code === 'WR0108');
  if (waiting !== undefined) return of('pending', waiting.code);
  const error = fresh.find(({ severity }) => severity === 'error');
  if (error !== undefined) return lookups.has(error.code) ? of('honoured', error.code) : of('refused', error.code);
  if (essence(compiled) !== essence(baseline)) return of('honoured');
  return fresh.length > 0 ? of('reported', fresh[0].code) : of('silent');
}

const essences = new WeakMap<Compiled, string>();

/** What runs: the snapshot without the places where it was written. */
function essence(compiled: Compiled): string {
  let text = essences.get(compiled);
  if (text === undefined) essences.set(compiled, (text = essenceOf(compiled)));
  return text;
}

function essenceOf({ snapshot }: Compiled): string {
  return JSON.stringify(snapshot, (key, value: unknown) => (key === 'line' || key === 'column' || key === 'file' ? undefined : value));
}

async function compile(documents: readonly object[]): Promise<Compiled> {
  const text = documents.map((document) => JSON.stringify(document)).join('\n---\n');
  return compileSources([{ file: 'probe.yaml', text }], defaultOptions, null);
}
