/** The values of the CEL subset. */
export type CelValue = string | number | boolean | CelValue[] | null;

/** The object that an expression tests; all fields are always present. */
export type CelObject = Record<string, CelValue>;

/** An expression that is outside the subset, or whose value is not a boolean. */
export class CelError extends Error {
  override name = "CelError";
}

type Type = "string" | "int" | "bool" | "list" | "null";
interface Node {
  type: Type;
  evaluate: (object: CelObject) => CelValue;
}

const FIELDS: Record<string, Type> = {
  id: "string",
  url: "string",
  public_url: "string",
  type: "string",
  proto: "string",
  scheme: "string",
  hostport: "string",
  host: "string",
  port: "int",
  name: "string",
  region: "string",
  metadata: "string",
  description: "string",
  bindings: "list",
  pooling_enabled: "bool",
  created_at: "string",
};
const TOKEN =
  /\s*(?:("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(\d+)|([A-Za-z_][A-Za-z0-9_]*)|(&&|\|\||==|!=|[!()[\],.]))/y;

/**
 * Compiles the CEL subset of docs/protocol.md 1.7: fields of one variable, contains, startsWith,
 * endsWith, matches, ==, !=, !, &&, ||, in, parentheses, lists, strings, integers, true and false.
 *
 * @throws {CelError} If the text is anything else.
 */
export function compileCel(source: string, variable = "endpoint"): (object: CelObject) => boolean {
  const node = new Parser(tokenize(source), variable).whole();
  if (node.type !== "bool") throw new CelError(`Expression is not true or false but ${node.type}: ${source}`);
  return (object) => node.evaluate(object) === true;
}

function tokenize(source: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  const text = source.trimEnd();
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new CelError(`Syntax error at character ${at + 1}: ${source}`);
    tokens.push(match[0].trim());
  }
  return tokens;
}

class Parser {
  readonly #tokens: string[];
  readonly #variable: string;
  #position = 0;

  constructor(tokens: string[], variable: string) {
    this.#tokens = tokens;
    this.#variable = variable;
  }

  whole(): Node {
    const node = this.#or();
    if (this.#peek() !== undefined) throw new CelError(`Unexpected text: ${this.#peek()}`);
    return node;
  }

  #peek(): string | undefined {
    return this.#tokens[this.#position];
  }

  #accept(token: string): boolean {
    if (this.#peek() !== token) return false;
    this.#position++;
    return true;
  }

  #take(): string {
    const token = this.#tokens[this.#position++];
    if (token === undefined) throw new CelError("Unexpected end of the expression");
    return token;
  }

  #expect(token: string): void {
    const found = this.#take();
    if (found !== token) throw new CelError(`Expected ${token}, found ${found}`);
  }

  #or(): Node {
    let left = this.#and();
    while (this.#accept("||")) {
      const [one, other] = [bool(left), bool(this.#and())];
      left = { type: "bool", evaluate: (object) => one(object) === true || other(object) };
    }
    return left;
  }

  #and(): Node {
    let left = this.#relation();
    while (this.#accept("&&")) {
      const [one, other] = [bool(left), bool(this.#relation())];
      left = { type: "bool", evaluate: (object) => one(object) === true && other(object) };
    }
    return left;
  }

  #relation(): Node {
    const left = this.#unary();
    const operator = this.#peek();
    if (operator !== "==" && operator !== "!=" && operator !== "in") return left;
    this.#position++;
    const right = this.#unary();
    if (operator === "in") {
      if (right.type !== "list") throw new CelError(`Right side of in is not a list but ${right.type}`);
      return {
        type: "bool",
        evaluate: (object) => (right.evaluate(object) as CelValue[]).includes(left.evaluate(object)),
      };
    }
    if (left.type !== right.type && left.type !== "null" && right.type !== "null") {
      throw new CelError(`Cannot compare ${left.type} with ${right.type}`);
    }
    const same = (object: CelObject): boolean =>
      JSON.stringify(left.evaluate(object)) === JSON.stringify(right.evaluate(object));
    return { type: "bool", evaluate: (object) => same(object) === (operator === "==") };
  }

  #unary(): Node {
    if (this.#accept("!")) {
      const inner = bool(this.#unary());
      return { type: "bool", evaluate: (object) => !inner(object) };
    }
    let node = this.#primary();
    while (this.#accept(".")) node = this.#method(node, this.#take());
    return node;
  }

  #method(receiver: Node, name: string): Node {
    this.#expect("(");
    const argument = this.#or();
    this.#expect(")");
    if (receiver.type !== "string" || argument.type !== "string") {
      throw new CelError(`${name}() is not defined for ${receiver.type} and ${argument.type}`);
    }
    const test = stringTest(name, argument);
    return { type: "bool", evaluate: (object) => test(receiver.evaluate(object) as string, object) };
  }

  #primary(): Node {
    const token = this.#take();
    if (token === "(") {
      const inner = this.#or();
      this.#expect(")");
      return inner;
    }
    if (token === "[") return this.#list();
    if (token === "true" || token === "false") return { type: "bool", evaluate: () => token === "true" };
    if (token === "null") return { type: "null", evaluate: () => null };
    if (/^\d/.test(token)) return { type: "int", evaluate: () => Number(token) };
    if (/^["']/.test(token)) {
      const value = unquote(token);
      return { type: "string", evaluate: () => value };
    }
    if (token !== this.#variable) throw new CelError(`Undeclared reference: ${token}`);
    this.#expect(".");
    const field = this.#take();
    const type = FIELDS[field];
    if (type === undefined) throw new CelError(`Undefined field: ${field}`);
    return { type, evaluate: (object) => object[field] ?? null };
  }

  #list(): Node {
    const items: Node[] = [];
    while (!this.#accept("]")) {
      if (items.length > 0) this.#expect(",");
      items.push(this.#or());
    }
    return { type: "list", evaluate: (object) => items.map((item) => item.evaluate(object)) };
  }
}

function stringTest(name: string, argument: Node): (text: string, object: CelObject) => boolean {
  const value = (object: CelObject): string => argument.evaluate(object) as string;
  switch (name) {
    case "contains":
      return (text, object) => text.includes(value(object));
    case "startsWith":
      return (text, object) => text.startsWith(value(object));
    case "endsWith":
      return (text, object) => text.endsWith(value(object));
    case "matches":
      try {
        // The API must refuse a selector with a bad pattern, so a literal one is checked here.
        new RegExp(value({}), "u");
      } catch (cause) {
        throw new CelError("Invalid regular expression", { cause });
      }
      return (text, object) => new RegExp(value(object), "u").test(text);
    default:
      throw new CelError(`Undeclared function: ${name}`);
  }
}

function unquote(token: string): string {
  return token.slice(1, -1).replace(
    /\\(.)/g,
    (_, character: string) => ({ n: "\n", t: "\t" })[character] ?? character,
  );
}

function bool(node: Node): (object: CelObject) => boolean {
  if (node.type !== "bool") throw new CelError(`Expected true or false, found ${node.type}`);
  return (object) => node.evaluate(object) === true;
}
