import { z } from 'zod';
import type { LimitStore } from '../../decide/limit.ts';
import { callerOf } from '../../dialects/caller.ts';
import type { Compiled } from '../../dialects/compile.ts';
import type { Binding, FlatTables, ResolvedEndpoints } from '../../model/events.ts';
import { Explainer } from '../../proxy/explain.ts';

/** Body of `POST /api/v1/explain`; the OpenAPI document describes it. */
const explainBody = z.strictObject({
  method: z.string().min(1).max(64).default('GET'),
  url: z.string().min(1).max(65_536),
  headers: z
    .array(z.tuple([z.string(), z.string()]))
    .max(1000)
    .default([]),
  from: z.string().nullable().default(null),
  address: z.string().nullable().default(null),
  bodyBytes: z.int().min(0).default(0),
});

export interface ExplainInput {
  readonly compiled: Compiled;
  readonly tables: FlatTables;
  readonly limits: LimitStore;
  /** Sockets as they are really bound. */
  readonly bindings: readonly Binding[];
  /** Clusters whose endpoints come from DNS. */
  readonly resolved: readonly ResolvedEndpoints[];
}

/** Explains against what serves now: live limits, resolved names. */
export async function answerExplain(input: ExplainInput, body: string): Promise<{ readonly status: number; readonly text: string }> {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return refuse('the body is not JSON');
  }
  const parsed = explainBody.safeParse(json);
  if (!parsed.success) return refuse(z.prettifyError(parsed.error));
  const { from, address, ...request } = parsed.data;
  const caller = from === null ? null : callerOf(from, input.compiled.resources);
  if (caller !== null && !caller.ok) return refuse(`from: ${caller.error}`);
  const resolved = new Map(
    input.resolved.map(({ cluster, endpoints }) => [
      cluster,
      endpoints.map((endpoint) => ({ address: `${endpoint.address}:${endpoint.port}`, healthy: true })),
    ]),
  );
  const explainer = new Explainer(input.tables, 0, { limits: input.limits, endpoints: (cluster) => resolved.get(cluster) ?? null });
  const asked = { ...request, address: address ?? listenerBehind(request.url, input), caller: caller === null ? null : caller.value };
  return { status: 200, text: JSON.stringify(await explainer.explain(asked)) };
}

/** With --map-port the URL a client uses names the real port; the configuration's wins where both could be meant. */
function listenerBehind(url: string, { compiled, bindings }: ExplainInput): string | null {
  const parsed = URL.parse(url);
  const port = Number(parsed?.port === '' ? (parsed.protocol === 'https:' ? 443 : 80) : parsed?.port);
  if (compiled.snapshot.listeners.some((listener) => listener.port === port)) return null;
  return bindings.find((binding) => binding.port === port)?.listener ?? null;
}

function refuse(error: string): { readonly status: number; readonly text: string } {
  return { status: 400, text: JSON.stringify({ error }) };
}
