import { defaultFormat, jsonFormat, lineOf } from '../../src/telemetry/access-log.ts';
import { operators, unavailable } from '../../src/telemetry/log/operators.ts';
import { scales } from '../../src/telemetry/buckets.ts';
import { metricNames, type MetricInfo } from '../../src/telemetry/metric-names.ts';
import { blankRecord } from '../../tests/support/record.ts';
import { generated, table, type Page } from './page.ts';

/** docs/reference/metrics.md and access-log.md. */
export function telemetryPages(): readonly Page[] {
  return [
    { path: 'docs/reference/metrics.md', text: metricsText() },
    { path: 'docs/reference/access-log.md', text: accessLogText() },
  ];
}

function metricsText(): string {
  const all: readonly (readonly [string, MetricInfo])[] = Object.entries(metricNames);
  const istio = all.find(([name]) => name === 'istio_requests_total')?.[1].labels ?? [];
  const labels = (info: MetricInfo): string =>
    info.labels === istio ? "Istio's standard labels" : info.labels.map((label) => `\`${label}\``).join(', ');
  return `${generated}# Metrics

\`/metrics\` of the admin address answers in the Prometheus text format, version 0.0.4. Where Istio or Envoy has a name for a thing, it is
that name, with its unit: \`promtool check metrics\` accepts the text and remarks on some of these names. Counters are kept in shared memory,
one row a worker, and never go back when a worker is replaced. Label sets are bounded: what does not fit is counted in
\`weir_metrics_overflow_total\`.

${table(
  ['name', 'type', 'labels', 'what'],
  all.map(([name, info]) => [`\`${name}\``, info.type, labels(info), info.help]),
)}
Istio's standard labels: ${istio.map((label) => `\`${label}\``).join(', ')}. Weir reports as \`reporter="source"\`, as Istio's gateways do.

Buckets of times, ms: ${scales.milliseconds.join(', ')}. Buckets of sizes, bytes: ${scales.bytes.join(', ')}.
`;
}

const jsonFields: Readonly<Record<string, string>> = {
  start_time: 'When the first byte of the request came, UTC, milliseconds.',
  revision: 'Revision of the configuration that served it.',
  method: 'As sent.',
  authority: 'As sent: `Host`, or the authority of an absolute target.',
  path: 'Target as sent, with its query.',
  protocol: '`HTTP/2`, `HTTP/1.1` or `HTTP/1.0`; at layer 4 `TCP`, `TLS` (passed through) or `UDP`.',
  response_code: 'Status sent to the client; 0 when it got none.',
  response_flags: "Envoy's flags joined with `,`; `-` when there are none.",
  response_code_details: 'What decided the status: `via_upstream`, `route_not_found` …',
  bytes_received: 'Body bytes of the request; at layer 4 all bytes of the client.',
  bytes_sent: 'Body bytes of the response; at layer 4 all bytes to the client.',
  duration_ms: 'From the first byte of the request to the last of the response, ms.',
  upstream_service_time_ms: "From the request sent to the head of the upstream's response, ms.",
  upstream_host: 'Address and port of the endpoint.',
  upstream_cluster: 'Cluster that was chosen.',
  route_name: 'Route that matched.',
  listener: 'Address and port of the listener.',
  downstream_remote_address: 'The client, after trusted hops.',
  request_id: '`x-request-id`, kept or made.',
  trace_id: 'Trace of `traceparent`, where the client sent one.',
  principal: 'Who called, by verified certificate: its first URI, else its subject.',
  consumer: 'Who called, by credential.',
  user_agent: '`User-Agent`.',
  requested_server_name: 'SNI of the connection; the field is left out where there is none.',
  grpc_status: "gRPC's status as a number, also where HTTP's is 200; left out where there is none.",
};

function accessLogText(): string {
  const fields: readonly string[] = Object.keys(
    JSON.parse(lineOf(jsonFormat, blankRecord({ requestedServerName: 'a.test', grpcStatus: 0 }))),
  );
  const rows = fields.map((field) => {
    const meaning = jsonFields[field];
    if (meaning === undefined) throw new Error(`the JSON line has a field ${field} that scripts/docs/telemetry.ts does not describe`);
    return [`\`${field}\``, meaning];
  });
  return `${generated}# Access log

One line per request, and one per connection or UDP session that is not HTTP, when it ends: there the fields of requests are empty. \`--access-log PATH\` names the file, \`-\` is standard output, \`off\` is none; \`--log-format\` is \`text\`, \`json\` or a
format string. Without it: text on a terminal, JSON otherwise. SIGUSR1 reopens the file.

No value can leave its field or its line: quotes, backslashes, control characters and everything beyond ASCII are written as JSON escapes, in
text lines too. A value longer than 16,384 characters is cut off. When the sink is slower than the traffic, lines are dropped and counted
(\`weir_access_log_lines_dropped_total\`); requests never wait for the log.

## JSON

What is absent is \`null\`.

${table(['field', 'what'], rows)}
## Text

Envoy's default format:

\`\`\`
${defaultFormat}
\`\`\`

## Format strings

Envoy's operators, written \`%NAME%\`, \`%NAME(argument)%\` or \`%NAME(argument):length%\`; \`%%\` is a percent sign. What is absent is \`-\`. An operator
that does not exist, or that Weir cannot fill, is an error that names its column.

These run: ${Object.keys(operators)
    .sort()
    .map((name) => `\`${name}\``)
    .join(', ')}.

\`REVISION\`, \`PRINCIPAL\` and \`CONSUMER\` are Weir's own. Times are UTC; \`START_TIME\` and \`EMIT_TIME\` take a strftime format with Envoy's \`%3f\` and the like.
\`COMMON_DURATION\` knows the points DS_RX_BEG, DS_RX_END, US_TX_END, US_RX_BEG and DS_TX_END. \`REQ(…)\` reads request headers as received. The
TLS operators answer \`-\`, as they do in Envoy on a plain-text connection.

These of Envoy's are known and refused, as nothing fills them yet: ${[...unavailable].map((name) => `\`${name}\``).join(', ')}.
`;
}
