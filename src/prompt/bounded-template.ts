import vm from "node:vm";
import * as jinja from "@huggingface/jinja";

/** Bounds of a chat template. Of those that llama.cpp brings, the longest has 16,700 characters and the busiest takes 2,100 steps. */
const TEMPLATE_BOUNDS = {
  /** Characters of its source. */
  source: 2 ** 16,
  /** Characters of any text, items of any list, that it makes on its way. */
  value: 2 ** 18,
  /** Steps: one for each expression evaluated, and for every 32 characters or items that the expression gives. */
  steps: 2 ** 17,
  /** Expressions and calls inside each other. */
  depth: 250,
  /** Milliseconds of the whole reading, for what is no step, such as parsing. */
  time: 1000,
} as const;

/** What the package calls a statement: its type, and parts that depend on it. */
type Node = { type: string } & Record<string, unknown>;
type Scope = { set(name: string, value: unknown): unknown };
/** What an expression gives. */
type Value = { type: string; value: unknown };

// The types of the package do not resolve under Node's module rules.
const { Template, Environment, Interpreter } = jinja as unknown as {
  Template: new (source: string) => { parsed: Node };
  Environment: new () => Scope;
  Interpreter: new (scope: Scope) => { global: Scope; evaluate(node: Node | undefined, scope: Scope): Value };
};

/** A template that went beyond a bound. */
export class TemplateBound extends Error {
  override name = "TemplateBound";
}

/**
 * A chat template that keeps within `TEMPLATE_BOUNDS`, but for the time: call it inside `withinTemplateTime`.
 *
 * A template comes with the model's file, so it may be anybody's program. It runs in this thread and not in a worker,
 * whose memory cannot be bounded: V8 ends the whole process when one allocation goes beyond the limit.
 *
 * @throws TemplateBound from the constructor, which parses, and from `render`.
 */
export class BoundedTemplate {
  readonly #program: Node;

  constructor(source: string) {
    if (source.length > TEMPLATE_BOUNDS.source) {
      throw new TemplateBound(`is ${source.length} characters long where at most ${TEMPLATE_BOUNDS.source} are read`);
    }
    this.#program = new Template(source).parsed;
  }

  render(variables: Record<string, unknown>): string {
    const scope = new Environment();
    for (const [name, value] of Object.entries({ ...GLOBALS, ...variables })) scope.set(name, value);
    return String(new BoundedInterpreter(scope).evaluate(this.#program, scope).value);
  }
}

/** The package's own globals, but for `range`, which makes its whole list at once, and the clock. */
const GLOBALS: Record<string, unknown> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  raise_exception: (message: unknown) => {
    throw new Error(String(message));
  },
  range: (first: unknown, second?: unknown, step: unknown = 1) => {
    const [start, stop] = second === undefined ? [0, first] : [first, second];
    const [from, to, by] = [Number(start), Number(stop), Number(step)];
    const length = Math.max(0, Math.ceil((to - from) / by));
    if (!(length <= TEMPLATE_BOUNDS.value)) throw tooLarge("a range", length);
    return Array.from({ length }, (_, index) => from + index * by);
  },
};

/**
 * Evaluates as the package does, and counts. It sees every expression through `evaluate`: those whose result can be much
 * larger than what they are made of are checked before, all others after.
 *
 * It also takes what Python's templates may say and the package does not know: numbers as keys, `str.format`, text times
 * a number, and text added to an undefined variable, which counts as empty.
 */
class BoundedInterpreter extends Interpreter {
  #steps = 0;
  #depth = 0;
  readonly #sizes = new WeakMap<object, number>();

  override evaluate(node: Node | undefined, scope: Scope): Value {
    if (node?.type === COMPUTED) return node.result as Value;
    this.#count(1);
    const value = this.#descend(node, scope);
    const size = this.#sizeOf(value);
    if (size > TEMPLATE_BOUNDS.value) throw tooLarge("a value", size);
    this.#count(size / 32);
    return value;
  }

  #descend(node: Node | undefined, scope: Scope): Value {
    if (++this.#depth > TEMPLATE_BOUNDS.depth)
      throw new TemplateBound(`is nested deeper than ${TEMPLATE_BOUNDS.depth}`);
    try {
      const prepared = this.#prepare(node, scope);
      return prepared?.type === COMPUTED ? (prepared.result as Value) : super.evaluate(prepared, scope);
    } finally {
      this.#depth--;
    }
  }

  #count(steps: number): void {
    this.#steps += steps;
    if (this.#steps > TEMPLATE_BOUNDS.steps) throw new TemplateBound(`takes more than ${TEMPLATE_BOUNDS.steps} steps`);
  }

  #text(value: string): Value {
    return super.evaluate({ type: "StringLiteral", value }, this.global);
  }

  #number(value: number): Value {
    return super.evaluate({ type: "IntegerLiteral", value }, this.global);
  }

  /** The node with those of its parts evaluated that decide how large its result will be. */
  #prepare(node: Node | undefined, scope: Scope): Node | undefined {
    switch (node?.type) {
      case "For":
        return { ...node, iterable: this.#prepareList(node.iterable as Node, scope) };
      case "FilterStatement": {
        const operand = computed(this.evaluate({ type: "Program", body: node.body }, scope));
        return this.#prepare({ type: "FilterExpression", operand, filter: node.filter }, scope);
      }
      case "FilterExpression": {
        const operand = this.evaluate(node.operand as Node, scope);
        return { ...node, operand: computed(operand), filter: this.#prepareCall(node.filter as Node, operand, scope) };
      }
      case "CallExpression":
        return this.#prepareMethod(node, scope);
      case "CallStatement":
        return { ...node, call: this.#prepareMethod(node.call as Node, scope) };
      case "BinaryExpression":
        return this.#prepareBinary(node, scope);
      case "ObjectLiteral":
        return {
          ...node,
          value: new Map([...(node.value as Map<Node, Node>)].map(([key, value]) => [this.#key(key, scope), value])),
        };
      case "MemberExpression":
        return this.#prepareMember(node, scope);
      default:
        return node;
    }
  }

  /** A loop counts a step for every item, even if its body does nothing. */
  #prepareList(list: Node, scope: Scope): Node {
    if (list.type === "SelectExpression") return { ...list, lhs: this.#prepareList(list.lhs as Node, scope) };
    const value = this.evaluate(list, scope);
    this.#count(4 * countItems(value.value));
    return computed(value);
  }

  #prepareMethod(call: Node, scope: Scope): Node {
    const callee = call.callee as Node;
    if (callee.type !== "MemberExpression") return call;
    const object = this.evaluate(callee.object as Node, scope);
    const prepared = this.#prepareCall(call, object, scope);
    const name = callee.computed ? undefined : (callee.property as Node).value;
    if (object.type === "StringValue" && name === "format") return computed(this.#format(object, prepared, scope));
    const member = this.#prepareMember({ ...callee, object: computed(object) }, scope);
    return { ...prepared, callee: member };
  }

  /** A call's arguments, evaluated. What a value can become by them is bounded by its size times that of the largest. */
  #prepareCall(call: Node, operand: Value, scope: Scope): Node {
    if (call.type !== "CallExpression") return call;
    const args = (call.args as Node[]).map((argument): Node => {
      // Some filters look at these as they stand; a literal's size needs no evaluation either.
      if (argument.type === "StringLiteral") return argument;
      if (argument.type === "KeywordArgumentExpression") {
        return { ...argument, value: computed(this.evaluate(argument.value as Node, scope)) };
      }
      if (argument.type === "SpreadExpression" || argument.type === "KeywordSpreadExpression") {
        return { ...argument, argument: computed(this.evaluate(argument.argument as Node, scope)) };
      }
      return computed(this.evaluate(argument, scope));
    });
    const { type, value, property } = call.callee as Node;
    const name = type === "Identifier" ? value : (property as Node).value;
    if (typeof name !== "string" || MULTIPLIES.has(name) || (call.callee as Node).computed) {
      const largest = args.reduce((most, argument) => Math.max(most, this.#weightOf(argument)), 1);
      const size = (this.#sizeOf(operand) + 1) * largest;
      if (size > 16 * TEMPLATE_BOUNDS.value) throw tooLarge("a value", size);
    }
    return { ...call, args };
  }

  #weightOf(argument: Node): number {
    if (argument.type === "StringLiteral") return (argument.value as string).length;
    const node = (argument.value ?? argument.argument ?? argument) as Node;
    const value = node.result as Value;
    return typeof value.value === "number" ? Math.abs(value.value) : this.#sizeOf(value);
  }

  #prepareBinary(node: Node, scope: Scope): Node {
    const operator = String((node.operator as Node).value);
    if (!/^([+~*]|[<>]=?)$/.test(operator)) return node;
    const sides = [this.evaluate(node.left as Node, scope), this.evaluate(node.right as Node, scope)] as const;
    const hasText = sides.some(({ type }) => type === "StringValue");
    if (operator === "*")
      return this.#repeat(sides) ?? { ...node, left: computed(sides[0]), right: computed(sides[1]) };
    const [left, right] = sides.map((side) => {
      const empty = side.type === "UndefinedValue" || (side.type === "NullValue" && operator === "~");
      if (empty && (operator === "~" || (operator === "+" && hasText))) return computed(this.#text(""));
      // A number that became a key is text.
      const isNumber = side.type === "StringValue" && /^[<>]/.test(operator) && /^-?\d{1,15}$/.test(String(side.value));
      const isMixed = sides.some(({ type }) => type !== "StringValue");
      return computed(isNumber && isMixed ? this.#number(Number(side.value)) : side);
    });
    return { ...node, left, right };
  }

  /** Python's `"-" * 3`. */
  #repeat(sides: readonly [Value, Value]): Node | undefined {
    const text = sides.find(({ type }) => type === "StringValue");
    const times = sides.find(({ type }) => type === "IntegerValue");
    if (!text || !times) return undefined;
    const count = Math.max(0, Number(times.value));
    const size = this.#sizeOf(text) * count;
    if (size > TEMPLATE_BOUNDS.value) throw tooLarge("a value", size);
    return computed(this.#text(String(text.value).repeat(count)));
  }

  #prepareMember(node: Node, scope: Scope): Node {
    const property = node.property as Node;
    if (!node.computed || property.type === "SliceExpression") return node;
    const object = this.evaluate(node.object as Node, scope);
    const isObject = object.value instanceof Map;
    return { ...node, object: computed(object), property: isObject ? this.#key(property, scope) : property };
  }

  /** Keys are text, so a number is written as one. */
  #key(key: Node, scope: Scope): Node {
    const value = this.evaluate(key, scope);
    return computed(value.type === "IntegerValue" ? this.#text(String(value.value)) : value);
  }

  /** Python's `str.format`, for fields by position or name without a format of their own. */
  #format(template: Value, call: Node, scope: Scope): Value {
    const named = new Map<string, Value>();
    const listed: Value[] = [];
    for (const argument of call.args as Node[]) {
      if (argument.type === "KeywordArgumentExpression") {
        named.set(String((argument.key as Node).value), this.evaluate(argument.value as Node, scope));
      } else listed.push(this.evaluate(argument, scope));
    }
    let next = 0;
    const filled = String(template.value).replace(/\{\{|\}\}|\{(\w*)\}/g, (found, name: string | undefined) => {
      if (name === undefined) return found.slice(1);
      const value = name === "" ? listed[next++] : (named.get(name) ?? listed[Number(name)]);
      return value === undefined || value.type === "UndefinedValue" ? "" : String(value);
    });
    return this.#text(filled);
  }

  /** Characters and items of a value, counted as often as it holds them: what writing it out would take. */
  #sizeOf(value: Value | undefined): number {
    const held = value?.value;
    if (typeof held === "string") return held.length;
    if (typeof held !== "object" || held === null || !value) return 1;
    const known = this.#sizes.get(value);
    if (known !== undefined) return known;
    // A namespace can come to hold itself.
    this.#sizes.set(value, 1);
    let size = 1;
    if (Array.isArray(held)) for (const item of held as Value[]) size += this.#sizeOf(item);
    if (held instanceof Map)
      for (const [key, item] of held as Map<string, Value>) size += key.length + this.#sizeOf(item);
    // Other values do not change after they are made.
    if (value.type === "NamespaceValue") this.#sizes.delete(value);
    else this.#sizes.set(value, size);
    return size;
  }
}

const COMPUTED = "Computed";

/** Filters and methods that may write an argument once for every character or item. */
const MULTIPLIES: ReadonlySet<string> = new Set(["replace", "join", "indent", "tojson", "format"]);

/** A part that has been evaluated. */
function computed(result: Value): Node {
  return { type: COMPUTED, result };
}

function countItems(value: unknown): number {
  return Array.isArray(value) ? value.length : value instanceof Map ? value.size : 1;
}

function tooLarge(what: string, size: number): TemplateBound {
  return new TemplateBound(
    `makes ${what} of ${size} characters or items where at most ${TEMPLATE_BOUNDS.value} are kept`,
  );
}

/**
 * Runs work on this thread for a limited time. Node's own watchdog ends it, inside regular expressions too.
 *
 * The watchdog knows no processor time. On a machine so busy that this process got little of it, the work has one more try
 * with more time, so that no template is refused for what other processes do.
 *
 * @throws TemplateBound, and what the work throws.
 */
export function withinTemplateTime<T>(work: () => T): T {
  const began = process.cpuUsage();
  try {
    return withinTime(work, TEMPLATE_BOUNDS.time);
  } catch (error) {
    const { user, system } = process.cpuUsage(began);
    const starved = user + system < 500 * TEMPLATE_BOUNDS.time;
    if (!(error instanceof TimedOut && starved)) throw error;
    return withinTime(work, 10 * TEMPLATE_BOUNDS.time);
  }
}

class TimedOut extends TemplateBound {}

function withinTime<T>(work: () => T, timeout: number): T {
  try {
    return vm.runInNewContext("work()", { work }, { timeout }) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") {
      throw new TimedOut(`takes longer than ${timeout} ms`);
    }
    throw error;
  }
}
