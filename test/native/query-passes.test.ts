// Which passes a query takes behind documents that were read, and what stays of them for the next query.
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { NativeContext } from "../../src/native/addon-types.ts";
import type { PromptLayout, Trunk } from "../../src/prompt/layout.ts";
import type { Engine } from "../../src/reading/engine.ts";
import { QueryPasses, type Rows } from "../../src/reading/query-passes.ts";
import { addon, createContext, everyHead, load, never, passages, tokensOf } from "../helpers/addon.ts";

const SUM: Rows = { rows: "sum", weights: null };
const CELLS = 60;
const OPENING = 12;

let tokens: Int32Array;
let context: NativeContext;
let passes: QueryPasses;
/** The calls that the context got, with the tokens of each branch. */
let calls: (string | number)[][];
let watched: NativeContext;
let trunk: Trunk;
let query: (begin: number, length: number) => Int32Array;
let nullQuery: Int32Array;

beforeAll(async () => {
  tokens = await tokensOf(await load("tiny-llama"), passages);
});
beforeEach(async () => {
  const model = await load("tiny-llama");
  context = await createContext(model, { sequences: 16 });
  await context.prefill(tokens.slice(0, CELLS), never);
  calls = [];
  watched = new Proxy(context, {
    get(target, name: keyof NativeContext) {
      const value = target[name] as unknown;
      if (name === "tilesPay") return ({ all }: { all: number }) => all >= 64;
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (name === "readOpening") calls.push([name, (args[0] as Int32Array).length]);
        if (name === "observe") {
          const { tiles } = args[1] as { tiles: boolean };
          calls.push([tiles ? "tiles" : "rows", ...(args[0] as Int32Array[]).map(({ length }) => length)]);
        }
        if (name === "rollback") calls.push([name, args[0] as number]);
        return (value as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  });
  const opening = tokens.slice(60, 60 + OPENING);
  trunk = { tokens: tokens.slice(0, CELLS), joint: { opening } } as unknown as Trunk;
  query = (begin, length) => Int32Array.from([...opening, ...tokens.slice(begin, begin + length)]);
  nullQuery = query(80, 5);
  const heads = everyHead(model.info());
  const engine = {
    model: { library: { addon }, info: { slidingWindow: 0 } },
    heads: { heads: Array.from({ length: heads.length / 2 }) },
  };
  passes = new QueryPasses(engine as unknown as Engine);
  await model.dispose();
});
afterEach(() => context.dispose());

const ask = async (
  queries: Int32Array[],
  { how = SUM, baseline = nullQuery }: { how?: Rows; baseline?: Int32Array | null } = {},
) => {
  calls = [];
  const prompts = queries.map((tokens): PromptLayout => ({ trunk, query: tokens, nullQuery: baseline }));
  const looked = await passes.look(watched, trunk, prompts, how, {});
  return looked.map((one) => [one.query, one.null].map((seen) => (seen instanceof Float32Array ? [...seen] : seen)));
};

test("a further query costs its own tokens, and sees what it sees first", async () => {
  const [short, other] = [query(90, 7), query(100, 9)];
  const first = await ask([short]);
  expect(calls).toEqual([
    ["readOpening", OPENING],
    ["rows", 5],
    ["rows", 7],
  ]);
  await ask([other]);
  expect(calls).toEqual([["rows", 9]]);
  expect(await ask([short])).toEqual(first);
  expect(passes.bytes).toBe(2 * 4 * CELLS);
});

test("another null query is asked once, and none is none", async () => {
  const short = query(90, 7);
  const first = await ask([short]);
  expect((await ask([short], { baseline: null }))[0]![1]).toBeNull();
  expect(calls).toEqual([["rows", 7]]);
  await ask([short], { baseline: query(110, 4) });
  expect(calls).toEqual([
    ["rows", 4],
    ["rows", 7],
  ]);
  expect(await ask([short])).toEqual(first);
  // The null query itself has been asked.
  const [[seen, baseline]] = (await ask([nullQuery])) as [[number[], number[]]];
  expect(seen).toEqual(baseline);
  expect(calls).toEqual([]);
});

test("queries that a tile is cheaper for, or that begin otherwise, go whole and leave the others as they were", async () => {
  const [short, long] = [query(90, 7), query(70, 70)];
  const stray = tokens.slice(100, 110);
  const first = await ask([short]);
  const [alone] = await ask([long]);
  expect(calls).toEqual([
    ["rollback", CELLS],
    ["tiles", OPENING + 70, OPENING + 5],
  ]);
  await ask([stray]);
  expect(calls).toEqual([["rows", 10, OPENING + 5]]);
  const together = await ask([long, short]);
  expect(together).toEqual([alone, first[0]]);
  // What stood behind the trunk came back from a copy.
  expect(calls).not.toContainEqual(["readOpening", OPENING]);
  expect(await ask([short])).toEqual(first);
});

test("heads that are kept apart are read anew, and so are their sums after them", async () => {
  const short = query(90, 7);
  const first = await ask([short]);
  await ask([short], { how: { rows: "heads" } });
  const afresh = [
    ["readOpening", OPENING],
    ["rows", 5],
    ["rows", 7],
  ];
  expect(calls).toEqual([["rollback", CELLS], ...afresh]);
  expect(await ask([short])).toEqual(first);
  expect(calls).toEqual([["rollback", CELLS], ...afresh]);
});

test("an aborted call leaves what the next one needs", async () => {
  const short = query(90, 7);
  const first = await ask([short]);
  await passes.close(context, trunk, undefined);
  const prompts = [{ trunk, query: short, nullQuery }];
  const reason = new Error("enough");
  await expect(passes.look(watched, trunk, prompts, SUM, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(context.position).toBe(CELLS);
  expect(await ask([short])).toEqual(first);
});
