/** Parser for Kong's expressions router language (Kong docs: expressions language reference). Bounded in length and depth. */
import { err, ok, type Result } from '../../../base/result.ts';
import { compileRegex } from '../../../decide/regex.ts';
import { tokenise, type Token } from './tokens.ts';
import { fieldType, operators, transformsOf, type FieldType } from './fields.ts';

export type Operator = '==' | '!=' | '~' | '^=' | '=^' | '>=' | '>' | '<=' | '<' | 'in' | 'not in' | 'contains';

export interface Predicate {
  readonly kind: 'predicate';
  readonly field: string;
  readonly lower: boolean;
  /** One value of several is enough; otherwise all must hold. */
  readonly any: boolean;
  readonly operator: Operator;
  readonly value: { readonly type: 'string' | 'int' | 'ip' | 'cidr'; readonly text: string };
}

export type Expression =
  | { readonly kind: 'and' | 'or'; readonly items: readonly Expression[] }
  | { readonly kind: 'not'; readonly item: Expression }
  | Predicate;

export interface ExpressionProblem {
  readonly message: string;
  /** Offset in the expression, from 0. */
  readonly position: number;
  readonly hint?: string;
}

export const maxExpressionLength = 16_384;
const maxDepth = 64;

class Problem extends Error {
  readonly problem: ExpressionProblem;
  constructor(problem: ExpressionProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

export function parseExpression(text: string): Result<Expression, ExpressionProblem> {
  if (text.length > maxExpressionLength)
    return err({ message: `longer than ${maxExpressionLength} characters`, position: maxExpressionLength });
  const tokens = tokenise(text);
  if (!tokens.ok) return tokens;
  const parser = new Parser(tokens.value, text.length);
  try {
    return ok(parser.whole());
  } catch (error) {
    if (error instanceof Problem) return err(error.problem);
    throw error;
  }
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #end: number;
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], end: number) {
    this.#tokens = tokens;
    this.#end = end;
  }

  whole(): Expression {
    const expression = this.#either();
    const rest = this.#tokens.at(this.#next);
    if (rest !== undefined) this.#fail(`'${rest.text}' was not expected`, '&& or || between conditions');
    return expression;
  }

  #fail(message: string, hint?: string): never {
    const position = this.#tokens.at(this.#next)?.position ?? this.#end;
    throw new Problem({ message, position, ...(hint === undefined ? {} : { hint }) });
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#next];
  }

  #take(text: string): boolean {
    const token = this.#peek();
    if (token === undefined || token.type !== 'symbol' || token.text !== text) return false;
    this.#next++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#take(text)) this.#fail(`'${text}' is missing`);
  }

  #either(): Expression {
    if (++this.#depth > maxDepth) this.#fail(`nested deeper than ${maxDepth}`);
    const items = [this.#both()];
    while (this.#take('||')) items.push(this.#both());
    this.#depth--;
    return items.length === 1 ? items[0] : { kind: 'or', items };
  }

  #both(): Expression {
    const items = [this.#term()];
    while (this.#take('&&')) items.push(this.#term());
    return items.length === 1 ? items[0] : { kind: 'and', items };
  }

  #term(): Expression {
    const negated = this.#take('!');
    if (this.#take('(')) {
      const item = this.#either();
      this.#expect(')');
      return negated ? { kind: 'not', item } : item;
    }
    if (negated) this.#fail("'!' stands before a parenthesis only", 'write !(field == "value")');
    return this.#predicate();
  }

  #predicate(): Expression {
    const transforms: string[] = [];
    let name = this.#name('a field');
    while (this.#take('(')) {
      if (name !== 'lower' && name !== 'any') this.#fail(`'${name}' is not a function`, 'lower() or any()');
      if (transforms.includes(name)) this.#fail(`${name}() stands twice`);
      transforms.push(name);
      name = this.#name('a field');
    }
    for (let i = 0; i < transforms.length; i++) this.#expect(')');
    const type = fieldType(name);
    if (type === null) {
      this.#next--;
      this.#fail(
        `'${name}' is not a field`,
        'one of net.protocol, tls.sni, http.method, http.host, http.path, http.path.segments.N, http.headers.NAME, http.queries.NAME, net.src.ip, net.src.port, net.dst.ip, net.dst.port',
      );
    }
    const refused = transforms.find((one) => !transformsOf(name, type).includes(one));
    if (refused !== undefined) this.#fail(`${refused}() does not apply to ${name}`);
    const operator = this.#operator();
    const value = this.#value(type, operator, name);
    return { kind: 'predicate', field: name, lower: transforms.includes('lower'), any: transforms.includes('any'), operator, value };
  }

  #name(what: string): string {
    const token = this.#peek();
    if (token === undefined || token.type !== 'name') this.#fail(`${what} is missing`);
    this.#next++;
    return token.text;
  }

  #operator(): Operator {
    const token = this.#peek();
    if (token === undefined) this.#fail('an operator is missing');
    let { text } = token;
    if (token.type === 'name' && text === 'not' && this.#tokens[this.#next + 1]?.text === 'in') {
      this.#next++;
      text = 'not in';
    }
    const found = operators.find((operator) => operator === text);
    if (found === undefined) this.#fail(`'${token.text}' is not an operator`, `one of ${operators.join(' ')}`);
    this.#next++;
    return found;
  }

  #value(type: FieldType, operator: Operator, field: string): Predicate['value'] {
    const token = this.#peek();
    if (token === undefined) this.#fail('a value is missing');
    if (token.type === 'symbol') this.#fail('a value is missing');
    const kind = token.type === 'name' ? null : token.type;
    const allowed: Readonly<Record<FieldType, readonly Operator[]>> = {
      string: ['==', '!=', '~', '^=', '=^', 'contains'],
      int: ['==', '!=', '>=', '>', '<=', '<'],
      ip: kind === 'cidr' ? ['in', 'not in'] : ['=='],
    };
    const fits = kind !== null && (type === 'ip' ? kind === 'ip' || kind === 'cidr' : kind === type);
    if (!fits)
      this.#fail(
        `${field} cannot be compared with this value`,
        type === 'string' ? 'put the value in double quotes' : type === 'int' ? 'write a number' : 'write an IP address or a CIDR range',
      );
    if (!allowed[type].includes(operator)) this.#fail(`'${operator}' does not apply to ${field}`, `one of ${allowed[type].join(' ')}`);
    if (operator === '~') {
      const compiled = compileRegex(token.text, { anchor: 'search' });
      if (!compiled.ok) this.#fail(compiled.error, 'write the regular expression in RE2 syntax');
    }
    this.#next++;
    return { type: kind, text: token.text };
  }
}
