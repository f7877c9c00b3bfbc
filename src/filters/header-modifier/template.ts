/** Envoy command operators in header values (envoy docs: HTTP connection manager, custom request/response headers). */

/** A compiled value: literal text and operators in turn. */
export type TemplatePart =
  | { readonly kind: 'literal'; readonly text: string }
  | {
      readonly kind: 'request-header';
      readonly names: readonly string[];
      readonly maxLength: number;
    }
  | { readonly kind: 'field'; readonly field: TemplateField };

export type TemplateField = (typeof fields)[keyof typeof fields];

const fields = {
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: 'remote-address',
  ROUTE_NAME: 'route-name',
  START_TIME: 'start-time',
  RESPONSE_CODE: 'response-code',
} as const;

const known: ReadonlyMap<string, TemplateField> = new Map(Object.entries(fields));

/** Operators that are understood, for messages and docs. */
export const templateOperators: readonly string[] = [
  '%%',
  '%REQ(name)%',
  '%REQ(name?other):maxLength%',
  ...Object.keys(fields).map((name) => `%${name}%`),
];

/** Compiles a value, or says what is wrong with it. */
export function compileTemplate(value: string): readonly TemplatePart[] | { readonly problem: string } {
  const parts: TemplatePart[] = [];
  let literal = '';
  let at = 0;
  while (at < value.length) {
    const percent = value.indexOf('%', at);
    if (percent < 0) {
      literal += value.slice(at);
      break;
    }
    literal += value.slice(at, percent);
    if (value[percent + 1] === '%') {
      literal += '%';
      at = percent + 2;
      continue;
    }
    const end = value.indexOf('%', percent + 1);
    if (end < 0)
      return {
        problem: 'a single `%` starts an operator that never ends; write `%%` for a percent sign',
      };
    const operator = compileOperator(value.slice(percent + 1, end));
    if (operator === null) {
      return {
        problem: `operator \`${value.slice(percent, end + 1)}\` is not supported; supported: ${templateOperators.join(' ')}`,
      };
    }
    if (literal !== '') parts.push({ kind: 'literal', text: literal });
    literal = '';
    parts.push(operator);
    at = end + 1;
  }
  if (literal !== '' || parts.length === 0) parts.push({ kind: 'literal', text: literal });
  return parts;
}

function compileOperator(text: string): TemplatePart | null {
  const header = /^REQ\(([^()?:][^()?]*)(?:\?([^()?]+))?\)(?::([0-9]{1,5}))?$/.exec(text);
  if (header) {
    const names = [header[1], header[2]].filter((name) => name !== undefined).map((name) => name.toLowerCase());
    if (names.some((name) => !/^[!#$&'*+\-.^_`|~0-9a-z]+$/.test(name))) return null;
    return {
      kind: 'request-header',
      names,
      maxLength: header[3] === undefined ? Number.MAX_SAFE_INTEGER : Number(header[3]),
    };
  }
  const field = known.get(text);
  return field === undefined ? null : { kind: 'field', field };
}

/** Null when the value is a valid template. */
export function templateProblem(value: string): string | null {
  const compiled = compileTemplate(value);
  return 'problem' in compiled ? compiled.problem : null;
}
