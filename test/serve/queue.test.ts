// The order of requests, and what becomes of those that go away, without a model.
import { describe, expect, it } from "vitest";
import type { RankResult } from "../../src/index.ts";
import { Queue, type RankJob } from "../../src/serve/queue.ts";

const never = new AbortController().signal;
const resultOf = (query: string) => ({ query }) as RankResult;

/** A target that answers when it is told to, and writes down what it was asked. */
function target() {
  const asked: (string | string[])[] = [];
  const gates: (() => void)[] = [];
  const failing = new Set<string>();
  const signals: AbortSignal[] = [];
  const open = (): Promise<void> => new Promise((resolve) => gates.push(resolve));
  const one = (query: string) => {
    if (failing.has(query)) throw new Error(`no ${query}`);
    return resultOf(query);
  };
  const ask: Awaited<ReturnType<RankJob["open"]>> = {
    rank: async (query, { signal }) => {
      asked.push(query);
      signals.push(signal!);
      await open();
      return one(query);
    },
    rankMany: async function* (queries, { signal }) {
      asked.push([...queries]);
      signals.push(signal!);
      await open();
      for (const query of queries) yield one(query);
    },
  };
  const job = (query: string, key = "same"): RankJob => ({ key, query, options: {}, open: async () => ask });
  const next = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    gates.shift()?.();
    await new Promise((resolve) => setTimeout(resolve, 1));
  };
  return { asked, failing, signals, job, next };
}

describe("the queue of a model", () => {
  it("does one job at a time, and those of one key in one pass", async () => {
    const { asked, job, next } = target();
    const groups: number[] = [];
    const queue = new Queue(10, { onGroup: (queries) => groups.push(queries) });
    const answers = [
      queue.rank(job("a"), never),
      queue.rank(job("b"), never),
      queue.rank(job("c", "other"), never),
      queue.rank(job("d"), never),
    ];
    for (let i = 0; i < 3; i++) await next();
    expect(await Promise.all(answers)).toEqual(["a", "b", "c", "d"].map(resultOf));
    expect(asked).toEqual(["a", ["b", "d"], "c"]);
    expect(groups).toEqual([2]);
    await queue.onIdle();
    expect(queue.busy).toBe(false);
  });

  it("asks each by itself where one of a pass fails, so that the others are answered", async () => {
    const { asked, failing, job, next } = target();
    failing.add("c");
    const queue = new Queue(10);
    const answers = ["a", "b", "c", "d"].map((query) => queue.rank(job(query), never));
    for (const answer of answers) answer.catch(() => {});
    for (let i = 0; i < 5; i++) await next();
    expect((await Promise.allSettled(answers)).map(({ status }) => status)).toEqual([
      ...["fulfilled", "fulfilled", "rejected", "fulfilled"],
    ]);
    expect(asked).toEqual(["a", ["b", "c", "d"], "c", "d"]);
  });

  it("refuses what is beyond its bound, and says when to come back", async () => {
    const { job, next } = target();
    const queue = new Queue(2);
    const answers = ["a", "b", "c"].map((query, index) => queue.rank(job(query, String(index)), never));
    expect(() => queue.rank(job("d"), never)).toThrow(expect.objectContaining({ status: 429, retryAfter: 2 }));
    for (let i = 0; i < 3; i++) await next();
    await Promise.all(answers);
  });

  it("forgets a job whose client went away, and stops a pass that nobody wants", async () => {
    const { asked, signals, job, next } = target();
    const queue = new Queue(10);
    const clients = Array.from({ length: 4 }, () => new AbortController());
    const gone = new Error("gone");
    const answers = clients.map(({ signal }, index) => queue.rank(job(String(index), index === 0 ? "a" : "b"), signal));
    for (const answer of answers) answer.catch(() => {});
    clients[1]!.abort(gone);
    await expect(answers[1]).rejects.toBe(gone);
    await next();
    expect(asked).toEqual(["0", ["2", "3"]]);
    clients[2]!.abort(gone);
    await expect(answers[2]).rejects.toBe(gone);
    expect(signals[1]!.aborted).toBe(false);
    clients[3]!.abort(gone);
    expect(signals[1]!.aborted).toBe(true);
    await next();
    await queue.onIdle();
  });

  it("does not ask what was over before it came", () => {
    const reason = new Error("late");
    expect(() => new Queue(1).rank(target().job("a"), AbortSignal.abort(reason))).toThrow(reason);
  });
});
