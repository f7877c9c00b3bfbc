import { z } from 'zod';
import { callerOf } from '../../dialects/caller.ts';
import type { Compiled } from '../../dialects/compile.ts';
import { explainerOf, type Explainer } from '../../proxy/explain.ts';

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Body of `POST /api/v1/explain`; `headers` as an object or as a list of lines. */
const question = z.strictObject({
  method: z.string().min(1).max(32).default('GET'),
  url: z.string().max(65_536),
  headers: z
    .union([
      z.array(z.tuple([z.string(), z.string()])).max(1_000),
      z
        .record(z.string(), z.union([z.string(), z.array(z.string())]))
        .transform((record) =>
          Object.entries(record).flatMap(([name, value]) =>
            (typeof value === 'string' ? [value] : value).map((line): [string, string] => [name, line]),
          ),
        ),
    ])
    .default([]),
  from: z.string().nullable().default(null),
  address: z.string().nullable().default(null),
  bodyBytes: z.int().min(0).default(0),
});

/** One explainer for each compiled configuration; it goes with it. */
const explainers = new WeakMap<Compiled, Explainer>();

/** Answer to `POST /api/v1/explain`. Rate limits are told as conditions: the counters are the workers'. */
export async function answerExplain(compiled: Compiled | null, body: string): Promise<Answer> {
  if (compiled === null) return failure(503, 'no configuration serves yet');
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return failure(400, 'the body is not JSON');
  }
  const parsed = question.safeParse(value);
  if (!parsed.success) return failure(400, z.prettifyError(parsed.error));
  const { from, ...request } = parsed.data;
  const caller = from === null ? null : callerOf(from, compiled.resources);
  if (caller !== null && !caller.ok) return failure(400, caller.error);
  let explainer = explainers.get(compiled);
  if (explainer === undefined) explainers.set(compiled, (explainer = explainerOf(compiled.snapshot)));
  const result = await explainer.explain({ ...request, caller: caller === null ? null : caller.value });
  return { status: 200, text: JSON.stringify(result) };
}

function failure(status: number, error: string): Answer {
  return { status, text: JSON.stringify({ error }) };
}
