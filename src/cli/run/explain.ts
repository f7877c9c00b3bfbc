import { z } from 'zod';
import { callerOf } from '../../dialects/caller.ts';
import type { Compiled } from '../../dialects/compile.ts';
import type { LimitStore } from '../../decide/limit.ts';
import type { Binding, FlatTables, ResolvedEndpoints } from '../../model/events.ts';
import { endpointText } from '../../proxy/explain/connection.ts';
import { Explainer } from '../../proxy/explain.ts';

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

/** What a running gateway knows. */
export interface ExplainInput {
  readonly compiled: Compiled;
  readonly tables: FlatTables;
  /** Reads the workers' counters and takes nothing. */
  readonly limits: LimitStore;
  /** Sockets as they are really bound. */
  readonly bindings: readonly Binding[];
  /** Clusters whose endpoints come from DNS. */
  readonly resolved: readonly ResolvedEndpoints[];
}

/** Answer to `POST /api/v1/explain`; null: nothing serves yet. */
export async function answerExplain(input: ExplainInput | null, body: string): Promise<Answer> {
  if (input === null) return failure(503, 'no configuration serves yet');
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return failure(400, 'the body is not JSON');
  }
  const parsed = question.safeParse(value);
  if (!parsed.success) return failure(400, z.prettifyError(parsed.error));
  const { from, address, ...request } = parsed.data;
  const caller = from === null ? null : callerOf(from, input.compiled.resources);
  if (caller !== null && !caller.ok) return failure(400, caller.error);
  const explainer = liveExplainer(input);
  const listener = address ?? listenerBehind(request.url, input);
  const result = await explainer.explain({ ...request, address: listener, caller: caller === null ? null : caller.value });
  return { status: 200, text: JSON.stringify(result) };
}

function liveExplainer({ tables, limits, resolved }: ExplainInput): Explainer {
  const addresses = new Map(
    resolved.map(({ cluster, endpoints }) => [
      cluster,
      endpoints.map(({ address, port }) => ({ address: endpointText(address, port), healthy: true })),
    ]),
  );
  return new Explainer(tables, 0, { limits, endpoints: (cluster) => addresses.get(cluster) ?? null });
}

/** With --map-port a client's URL names the real port; the configuration's wins where both could be meant. */
function listenerBehind(url: string, { compiled, bindings }: ExplainInput): string | null {
  const parsed = URL.parse(url);
  const port = Number(parsed?.port === '' ? (parsed.protocol === 'https:' || parsed.protocol === 'tls:' ? 443 : 80) : parsed?.port);
  const isUdp = parsed?.protocol === 'udp:';
  if (compiled.snapshot.listeners.some((listener) => listener.port === port && (listener.protocol === 'udp') === isUdp)) return null;
  const found = bindings.find((binding) => binding.port === port && (binding.transport === 'udp') === isUdp)?.listener ?? null;
  // `--address` wants host and port; names of UDP listeners say their transport behind them.
  return found?.replace(/\/udp$/, '') ?? null;
}

function failure(status: number, error: string): Answer {
  return { status, text: JSON.stringify({ error }) };
}
