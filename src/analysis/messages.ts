import type { Diagnostic, ResourceRef, Severity } from '../model/diagnostic.ts';
import { loadMessages } from './messages/load.ts';
import { istioMessages } from './messages/istio.ts';
import { gatewayApiMessages } from './messages/gateway-api.ts';
import { secretMessages } from './messages/secrets.ts';
import { kongMessages } from './messages/kong.ts';
import { weirMessages } from './messages/weir.ts';
import { analysisMessages } from './messages/analysis.ts';
import { runtimeMessages } from './messages/runtime.ts';

/** One kind of problem. Codes are for ever: a retired one is never given to another meaning. */
export interface MessageSpec {
  readonly severity: Severity;
  /** One line for the index of codes. */
  readonly title: string;
  /** What it means and what to do; Markdown, for docs/reference/diagnostics.md. */
  readonly explanation: string;
}

/** Every diagnostic code. Ranges: 01 loading, 02 Istio, 03 Gateway API and Kubernetes, 04 Kong, 05 Weir kinds and filters, 06 across resources, 07 at run time. */
export const messages = {
  ...loadMessages,
  ...istioMessages,
  ...gatewayApiMessages,
  ...secretMessages,
  ...kongMessages,
  ...weirMessages,
  ...analysisMessages,
  ...runtimeMessages,
} as const satisfies Readonly<Record<string, MessageSpec>>;

export type MessageCode = keyof typeof messages;

/** A place in a text; line and column 1-based, 0 for none. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The only maker of diagnostics. `severity` may only make a code milder or stricter where the code's page says so. */
export function diagnose(
  code: MessageCode,
  place: Place,
  resource: ResourceRef | null,
  message: string,
  options: { readonly hint?: string; readonly severity?: Severity } = {},
): Diagnostic {
  return {
    code,
    severity: options.severity ?? messages[code].severity,
    message: withoutSecrets(message),
    ...(options.hint === undefined ? {} : { hint: withoutSecrets(options.hint) }),
    file: place.file,
    line: place.line,
    column: place.column,
    resource,
    docs: `docs/reference/diagnostics.md#${code.toLowerCase()}`,
  };
}

/**
 * Messages quote what they are about, and a slip may have put a key where a name belongs. No name looks like PEM, or is a
 * long run of base64 without the slashes of a path.
 */
function withoutSecrets(text: string): string {
  if (text.length < shortestKey) return text;
  const cut = text.indexOf('-----BEGIN');
  const head = cut < 0 ? text : `${text.slice(0, cut)}(PEM text)`;
  return head.replaceAll(/[A-Za-z0-9+/=]{64,}/g, (run) => (run.split('/').length > run.length / 12 ? run : `${run.slice(0, 8)}…`));
}

const shortestKey = 32;
