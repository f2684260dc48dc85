// Workers as processes of their own, and a real Redis.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { FleetClient } from "../../src/fleet/client.ts";
import { RERANK } from "../../src/fleet/rerank.ts";
import { type CliResult, run, temporaryFolder } from "../helpers/cli.ts";
import { EXAMPLES } from "../helpers/detect-examples.ts";
import { OwnWorker } from "../helpers/fleet.ts";
import { enginesOf, isRunning, until } from "../helpers/isolated.ts";
import { modelPath } from "../helpers/models.ts";
import { hasRedis, NEEDS_REDIS, type OwnRedis, startRedis } from "../helpers/redis.ts";
import { loadTiny } from "../helpers/retriever.ts";

const files = temporaryFolder();
let redis: OwnRedis;
let workers: OwnWorker[] = [];
/** Every process that held a model. */
const engines = new Set<number>();

beforeAll(async () => {
  if (hasRedis) redis = await startRedis();
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop("SIGKILL")));
  workers = [];
});
afterAll(async () => {
  await redis?.remove();
  files.remove();
});

async function startWorkers(count: number, ...more: string[]): Promise<void> {
  workers = await Promise.all(Array.from({ length: count }, () => OwnWorker.start(redis.url, ...more)));
}

const submit = (kind: string, ...args: string[]): Promise<CliResult> =>
  run(["submit", kind, "--redis", redis.url, ...args]);
const linesOf = (file: string) =>
  readFileSync(file, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));

const QUERIES = Array.from({ length: 40 }, (_, i) => ({
  id: `q${i}`,
  query: `Where is tower number ${i}?`,
  docs: Array.from({ length: 4 }, (_, d) => ({
    id: `d${d}`,
    text: `Tower ${(i + d) % 7} stands in town ${d}. `.repeat(30),
  })),
}));
const queriesFile = files.write("queries.jsonl", QUERIES.map((query) => `${JSON.stringify(query)}\n`).join(""));

describe.skipIf(!hasRedis)(`workers and submissions${NEEDS_REDIS}`, () => {
  it("give one result a query, in order and as one process does, whatever is killed", {
    timeout: 600_000,
  }, async () => {
    await startWorkers(3);
    const output = files.path("rankings.jsonl");
    let isOver = false;
    const watch = setInterval(() => {
      for (const { child } of workers) for (const pid of enginesOf(child.pid!)) engines.add(pid);
    }, 20);
    // One worker after another is killed, in turn, and started again.
    const killing = (async () => {
      for (let turn = 0; !isOver; turn++) {
        const worker = workers[turn % workers.length]!;
        await worker.stop("SIGKILL");
        await worker.restart();
      }
    })();
    let deaths = 0;
    let result: CliResult;
    do {
      const once = run(
        ["submit", "rerank", "--redis", redis.url, queriesFile, "-o", output, "--resume", "--back-off", "100"],
        {
          // The submission is killed twice, too, as soon as it has written some lines more.
          onSpawn: (child) => {
            if (deaths === 2) return;
            deaths += 1;
            const wanted = 8 * deaths;
            const timer = setInterval(() => {
              if (countLines(output) < wanted) return;
              clearInterval(timer);
              child.kill("SIGKILL");
            }, 5);
            child.once("exit", () => clearInterval(timer));
          },
        },
      );
      result = await once;
    } while (result.signal === "SIGKILL");
    isOver = true;
    await killing;
    clearInterval(watch);
    expect(result).toMatchObject({ code: 0, stdout: "" });
    expect(deaths).toBe(2);

    const lines = linesOf(output);
    expect(lines.map(({ id }) => id)).toEqual(QUERIES.map(({ id }) => id));
    await using own = await loadTiny("tiny-llama");
    for (const [index, { query, docs }] of QUERIES.entries()) {
      const { results } = await own.rank(query, docs);
      expect(lines[index].results).toEqual(results.map(({ document: _, ...result }) => result));
    }
    if (process.platform === "linux") {
      expect(engines.size).toBeGreaterThan(3);
      await Promise.all(workers.map((worker) => worker.stop("SIGKILL")));
      await until(() => [...engines].every((pid) => !isRunning(pid)));
    }
  });

  it("end in order, and say which query failed for good", { timeout: 600_000 }, async () => {
    await startWorkers(1, "--context-size", "512");
    const [first, second] = QUERIES as [(typeof QUERIES)[0], (typeof QUERIES)[0]];
    const broken = { ...first, id: "long", query: "why ".repeat(600) };
    const file = files.write("mixed.jsonl", [first, broken, second].map((one) => `${JSON.stringify(one)}\n`).join(""));
    const output = files.path("mixed-rankings.jsonl");
    const args = [file, "-o", output, "--back-off", "10", "--attempts", "2"];
    const result = await submit("rerank", ...args);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/qrhead: A query failed.*--retry\n$/s);
    const lines = linesOf(output);
    expect(lines.map(({ id, error }) => [id, error?.code])).toEqual([
      ["q0", undefined],
      ["long", "CONTEXT_OVERFLOW"],
      ["q1", undefined],
    ]);
    const failed = await submit("failed", "--json");
    expect(JSON.parse(failed.stdout)).toMatchObject({ kind: "rerank", label: "long", code: "CONTEXT_OVERFLOW" });

    // It is not asked again without --retry; with it, a worker of a larger context has it.
    expect((await submit("rerank", ...args, "--resume")).code).toBe(1);
    await workers[0]!.stop("SIGTERM");
    await startWorkers(1);
    const retried = await submit("rerank", ...args, "--retry");
    // A file of two setups would not say what it is.
    expect(retried.stderr).toContain("two setups");
    expect(linesOf(output)).toEqual(lines);
    expect(await submit("failed", "--remove")).toMatchObject({ code: 0 });
    expect(await workers[0]!.stop("SIGTERM")).toEqual([0, null]);
  });

  it("fuse the scores of the search that found the documents", { timeout: 600_000 }, async () => {
    await startWorkers(1);
    const [{ docs, ...first }] = QUERIES as [(typeof QUERIES)[0]];
    const prior = [0, 0, 0, 50];
    const own = { ...first, id: "own", docs: docs.map((one, index) => ({ ...one, prior: prior[index] })) };
    const file = files.write(
      "priors.jsonl",
      [{ ...first, docs, prior }, own].map((one) => `${JSON.stringify(one)}\n`).join(""),
    );
    const output = files.path("priors-rankings.jsonl");
    expect((await submit("rerank", file, "-o", output, "--fuse", "prior:0.1")).code).toBe(0);
    for (const { results } of linesOf(output)) expect(results[0]).toMatchObject({ id: "d3", prior: 50 });

    const shared = files.write("shared.jsonl", docs.map((one) => `${JSON.stringify(one)}\n`).join(""));
    const queries = files.write(
      "lists.jsonl",
      `${JSON.stringify({ id: "l", query: "Where?", prior: [9, 0, 0, 0] })}\n`,
    );
    const more = ["--queries", queries, "--docs", shared, "-o", output, "--force"];
    expect((await submit("rerank", ...more)).code).toBe(0);
    expect(linesOf(output)[0].results.find(({ id }: { id: string }) => id === "d0")).toMatchObject({ prior: 9 });

    const some = files.write("some.jsonl", JSON.stringify({ ...first, docs: [{ ...docs[0], prior: 1 }, docs[1]] }));
    const refused = await submit("rerank", some, "-o", output, "--force");
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/line 1, document "d1" has no "prior"/) });
  });

  it("evaluate as one process does, to the last digit", { timeout: 600_000 }, async () => {
    await startWorkers(3);
    const pools = QUERIES.slice(0, 12).map((pool, i) => ({ ...pool, gold: [`d${i % 4}`] }));
    const data = files.write("pools.jsonl", pools.map((pool) => `${JSON.stringify(pool)}\n`).join(""));
    const methods = [
      "--method",
      "bm25",
      "--method",
      "qrhead",
      "--method",
      "random:2:1",
      "--method",
      "rrf(bm25,qrhead)",
    ];
    const common = ["--data", data, ...methods, "--permutations", "2", "--json"];
    const output = files.path("eval.jsonl");
    const many = await submit("eval", ...common, "-o", output);
    const model = ["-m", modelPath("tiny-llama"), "--heads", "all", "--gpu", "false", "--threads", "1"];
    const one = await run(["eval", ...common, ...model]);
    // How far it is, which is said of what takes long, is no complaint.
    expect(many).toMatchObject({ code: 0, stderr: expect.not.stringContaining("qrhead:") });
    expect(withoutTimes(JSON.parse(many.stdout))).toEqual(withoutTimes(JSON.parse(one.stdout)));
    const outcomes = linesOf(output).slice(1);
    const byMethod = outcomes.filter(({ method }) => method === "qrhead").map(({ query }) => query);
    expect(byMethod).toEqual(pools.flatMap(({ id }) => [id, id, id]));
    expect((await submit("eval", ...common, "-o", output, "--resume")).code).toBe(0);
    expect(linesOf(output)).toHaveLength(outcomes.length + 1);
  });

  it("find the heads that one process finds", { timeout: 600_000 }, async () => {
    await startWorkers(2);
    const examples = files.write("examples.jsonl", EXAMPLES.map((one) => `${JSON.stringify(one)}\n`).join(""));
    const output = files.path("scores.jsonl");
    const many = await submit("detect", examples, "-o", output, "--json");
    const own = await run([
      "detect",
      "-m",
      modelPath("tiny-llama"),
      "--threads",
      "1",
      "--examples",
      examples,
      "--json",
    ]);
    // How far it is, which is said of what takes long, is no complaint.
    expect(many).toMatchObject({ code: 0, stderr: expect.not.stringContaining("qrhead:") });
    expect(JSON.parse(many.stdout)).toEqual(JSON.parse(own.stdout));
    // What workers scored is a checkpoint of detection.
    const resumed = await run([
      ...["detect", "-m", modelPath("tiny-llama"), "--threads", "1", "--examples", examples],
      ...["--checkpoint", output, "--resume", "--json"],
    ]);
    expect(resumed.stdout).toBe(own.stdout);
  });

  it("do what is data, and read no file that a job names", { timeout: 600_000 }, async () => {
    const allowed = files.path("allowed");
    const secret = files.write("heads.json", JSON.stringify({ heads: [[0, 0]] }));
    await startWorkers(1, "--root", allowed);
    await using client = await FleetClient.open({ redis: redis.url, run: "jobs", attempts: 1 });
    const documents = [{ id: "a", text: "a" }];
    const codeOf = (kind: string, payload: unknown) =>
      client.ask({ kind, payload, label: "job" }).catch(({ cause }) => [cause.code, cause.message]);
    const [code, message] = (await codeOf(RERANK, { query: "a", documents, options: { heads: secret } })) as string[];
    expect([code, message]).toEqual(["INVALID_ARGUMENT", expect.stringContaining("heads")]);
    for (const [spec, load] of [
      [`qrhead:${secret}`, {}],
      ["qrhead", { heads: secret }],
      ["qrhead", { model: secret }],
      [`dense:${secret}`, {}],
      [`cross-encoder:hf:a/b/c.gguf`, {}],
      [`rankgpt:${path.join(allowed, "..", "heads.json")}`, {}],
    ] as const) {
      expect(await codeOf("eval-open", { spec, load }), spec).toMatchObject(["INVALID_ARGUMENT", expect.anything()]);
    }
    expect(await codeOf("run", {})).toMatchObject(["QUEUE_FAILED", expect.stringContaining("kind run")]);
  });

  it("end where their model cannot be loaded", { timeout: 120_000 }, async () => {
    const result = await run(["worker", "--redis", redis.url, "-m", "none.gguf"]);
    expect(result).toMatchObject({ code: 2, stderr: expect.stringMatching(/^qrhead: .*none\.gguf[^\n]*\n$/) });
  });

  it("go on when Redis was gone, and with it the jobs", { timeout: 600_000 }, async () => {
    await startWorkers(1);
    const output = files.path("restarted.jsonl");
    let isRestarted = false;
    const result = await run(
      ["submit", "rerank", "--redis", redis.url, queriesFile, "-o", output, "--in-flight", "8"],
      {
        onSpawn: () => {
          const timer = setInterval(async () => {
            if (isRestarted || countLines(output) < 4) return;
            isRestarted = true;
            clearInterval(timer);
            await redis.stop();
            await redis.start();
          }, 5);
        },
      },
    );
    expect(isRestarted).toBe(true);
    expect(result.code).toBe(0);
    expect(linesOf(output).map(({ id }) => id)).toEqual(QUERIES.map(({ id }) => id));
  });
});

describe("a submission", () => {
  it("says on one line that Redis cannot be reached, or that its address is none", async () => {
    writeFileSync(files.path("one.jsonl"), JSON.stringify(QUERIES[0]));
    const args = (url: string) => ["submit", "rerank", "--redis", url, files.path("one.jsonl"), "-o", files.path("x")];
    const [gone, wrong, none] = await Promise.all([
      run(args("redis://:secret@127.0.0.1:1")),
      run(args("http://127.0.0.1")),
      run(["submit", "failed"]),
    ]);
    expect(gone).toMatchObject({ code: 1, stderr: expect.stringMatching(/^qrhead: Redis at .*ECONNREFUSED[^\n]*\n$/) });
    expect(gone.stderr).not.toContain("secret");
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/^qrhead: Expected an address[^\n]*\n$/) });
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining("--redis") });
  });
});

function countLines(file: string): number {
  try {
    return readFileSync(file, "utf8").split("\n").length - 1;
  } catch {
    return 0;
  }
}

/** A report without what differs from run to run: times, memory, and what is said of the model. */
function withoutTimes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutTimes);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(
    ([name]) => !/ms$|memory|bytes|second|^(created|settings|command|machine)$/i.test(name),
  );
  return Object.fromEntries(entries.map(([name, inner]) => [name, withoutTimes(inner)]));
}
