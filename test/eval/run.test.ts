import { appendFileSync, existsSync, readFileSync, statSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { openTask } from "../../src/eval/data/open.ts";
import { Estimate } from "../../src/eval/estimate.ts";
import { Journal } from "../../src/eval/journal.ts";
import { type Method, plainMethod } from "../../src/eval/methods/method.ts";
import { parsePermutation, rankByWindows } from "../../src/eval/methods/rankgpt.ts";
import { parseMethods } from "../../src/eval/methods/spec.ts";
import { measure, parseMeasure } from "../../src/eval/metrics/measures.ts";
import { fileNames } from "../../src/eval/report/trec.ts";
import { drawTopics, type RunOptions, runTask } from "../../src/eval/run.ts";
import { rankingOf, summarizeTask } from "../../src/eval/summary.ts";
import { QRRetriever } from "../../src/retriever.ts";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";

const files = temporaryFolder();
afterAll(files.remove);

const COLOURS = ["red", "green", "blue", "white", "black", "brown"];
const pools = COLOURS.map((colour, i) => ({
  id: `q${i}`,
  query: `Who owns the ${colour} boat?`,
  docs: COLOURS.map((other) => ({
    id: other,
    text: `The ${other} boat belongs to the harbour master of the ${other} quay.`,
  })),
  gold: [colour],
}));
const data = files.write("boats.jsonl", pools.map((pool) => JSON.stringify(pool)).join("\n"));

const fake = (name: string, rank: Parameters<typeof plainMethod>[0]): Method => ({
  ...{ name, spec: name, seesOrder: true },
  open: async () => plainMethod(rank),
});

async function runWith(methods: Method[], journal: Journal, more: Partial<RunOptions> = {}) {
  await using task = await openTask(data, { depth: 0 });
  const options = { context: { load: {} }, limit: 0, seed: 1, maxDocumentWords: 0, permutations: 0, jobs: 1, ...more };
  await runTask(task, { ...options, methods, journal });
  return task;
}

const factsOf = ({ name, format, firstStage, topics }: Awaited<ReturnType<typeof openTask>>) => ({
  ...{ name, format, firstStage },
  ...{ documents: null, dropped: [], topics: [...topics] },
});

/** How outcomes are summed up. */
const summed = (measure: string, baseline: string, samples: number) =>
  ({ measures: [parseMeasure(measure)], gain: "linear", baseline, seed: 1, samples }) as const;

describe("a run", () => {
  it("goes on after a query on which the method fails, counts it, and counts it as 0", async () => {
    const journal = await Journal.create(files.path("failing.jsonl"), {});
    const perfect = fake("perfect", async ({ topic, documents }) => {
      if (topic.id === "q2") throw new Error("out of luck");
      if (topic.id === "q4") return { scores: documents.map(() => Number.NaN) };
      return { scores: documents.map(({ id }) => (topic.grades.has(id) ? 1 : 0)) };
    });
    const task = await runWith([perfect, ...parseMethods(["bm25"])], journal);
    const facts = factsOf(task);
    const options = summed("ndcg@10", "bm25", 500);
    const { methods } = summarizeTask(facts, journal.outcomes, ["perfect", "bm25"], options);
    expect(methods[0]).toMatchObject({ queries: 6, failed: 2 });
    expect(methods[0]!.values["ndcg@10"]).toEqual([1, 1, 0, 1, 0, 1]);
    expect(methods[0]!.comparison).toMatchObject({ baseline: "bm25" });
    expect(journal.outcomes.find(({ error }) => error)!.error).toBe("out of luck");
    journal.close();
  });

  it("ranks blank documents last by every method, and the others as without them", async () => {
    const docs = [
      { id: "blank", text: " \n" },
      { id: "good", text: "the harbour" },
      { id: "empty", text: "" },
      { id: "poor", text: "the quay" },
    ];
    const pool = { id: "q", query: "Where is the harbour?", docs, gold: ["good"] };
    await using task = await openTask(files.write("blank.jsonl", JSON.stringify(pool)), { depth: 0 });
    const seen: string[][] = [];
    const method = fake("negative", async ({ documents, bm25 }) => {
      seen.push(documents.map(({ id }) => id));
      expect(await bm25()).toHaveLength(2);
      return { scores: documents.map(({ text }) => (text.includes("harbour") ? -1e9 : -2e9)) };
    });
    const journal = Journal.inMemory();
    const options = { context: { load: {} }, limit: 0, seed: 1, maxDocumentWords: 0, permutations: 0, jobs: 1 };
    await runTask(task, { ...options, methods: [method, ...parseMethods(["bm25"])], journal });
    expect(seen).toEqual([["good", "poor"]]);
    for (const { ids, scores, status } of journal.outcomes) {
      expect(status).toBe("ok");
      const order = ids.toSorted((a, b) => scores[ids.indexOf(b)]! - scores[ids.indexOf(a)]!);
      expect(order.slice(0, 2)).toEqual(["good", "poor"]);
      expect(Math.max(scores[0]!, scores[2]!)).toBeLessThan(scores[3]!);
    }
  });

  it("does nothing twice, and drops the line that a kill cut short", async () => {
    const file = files.path("resumed.jsonl");
    let asked = 0;
    const counting = fake("counting", async ({ documents }) => {
      asked++;
      return { scores: documents.map((_, i) => i) };
    });
    const first = await Journal.create(file, { seed: 1 });
    await runWith([counting], first, { limit: 3 });
    first.close();
    appendFileSync(file, '{"task":"boats","query":"q9","me');
    const second = await Journal.resume(file, { seed: 1 });
    await runWith([counting], second);
    second.close();
    expect(asked).toBe(6);
    const lines = readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .slice(1)
      .map((line) => JSON.parse(line).query);
    expect(lines.sort()).toEqual(["q0", "q1", "q2", "q3", "q4", "q5"]);
    await expect(Journal.resume(file, { seed: 2 })).rejects.toThrow(/began with seed 1 but this run has 2/);
    await expect(Journal.create(file, {})).rejects.toThrow(/--resume/);
  });

  it("lets one process write at a time, and only its owner read", async () => {
    const file = files.path("locked.jsonl");
    const first = await Journal.create(file, {});
    // Windows has no modes.
    if (process.platform !== "win32") expect(statSync(file).mode & 0o777).toBe(0o600);
    await expect(Journal.resume(file, {})).rejects.toThrow(`being written by process ${process.pid}`);
    first.close();
    (await Journal.resume(file, {})).close();
    expect(existsSync(`${file}.lock`)).toBe(false);
  });

  it("draws the same queries for the same seed", async () => {
    await using task = await openTask(data, { depth: 0 });
    const draw = (seed: number) => drawTopics(task.topics, 3, seed).map(({ id }) => id);
    expect(draw(5)).toEqual(draw(5));
    expect(new Set([1, 2, 3, 4, 5].map((seed) => draw(seed).join())).size).toBeGreaterThan(1);
    expect(draw(5)).toEqual([...draw(5)].sort());
  });

  it("tells a method that the order sways from one that it does not", async () => {
    const journal = await Journal.create(files.path("order.jsonl"), {});
    const swayed = fake("swayed", async ({ documents }) => ({ scores: documents.map((_, i) => -i) }));
    const steady = fake("steady", async ({ documents }) => ({ scores: documents.map(({ id }) => id.charCodeAt(1)) }));
    const task = await runWith([swayed, steady], journal, { permutations: 4, jobs: 2 });
    const facts = factsOf(task);
    const options = summed("mrr", "swayed", 100);
    const { methods } = summarizeTask(facts, journal.outcomes, ["swayed", "steady"], options);
    expect(methods[1]!.order!.tau).toBeCloseTo(1, 12);
    expect(methods[0]!.order!.tau).toBeLessThan(0.5);
    journal.close();
  });
});

it("the time left counts every method at its own pace, and says when one is not known yet", () => {
  const totals = new Map([
    ["quick", 10],
    ["slow", 10],
  ]);
  const estimate = new Estimate(totals, 2);
  for (let i = 0; i < 10; i++) estimate.add({ method: "quick", ms: 1 });
  expect(estimate.left).toEqual({ ms: 0, atLeast: true });
  for (const ms of [900, 1100]) estimate.add({ method: "slow", ms });
  estimate.add({ method: "rrf(quick,slow)", ms: 5000 });
  expect(estimate.left).toEqual({ ms: (8 * 1000) / 2, atLeast: false });
});

describe("methods", () => {
  it("are read with names, arguments and fusions, whose parts join", () => {
    const names = (...specs: string[]) => parseMethods(specs).map(({ name }) => name);
    expect(names("rrf(bm25,qrhead:2-0,3-1)")).toEqual(["bm25", "qrhead:2-0,3-1", "rrf(bm25,qrhead:2-0,3-1)"]);
    expect(names("mine=qrhead:all", "best=rrf(mine,bm25)")).toEqual(["mine", "bm25", "best"]);
    for (const wrong of ["bm26", "random:x", "bm25:1", "rrf(bm25)", "dense"])
      expect(() => parseMethods([wrong]), wrong).toThrow(/method/);
    expect(() => parseMethods(["a=bm25", "a=qrhead"])).toThrow(/names both bm25 and qrhead/);
  });

  it("fuse ranks as computed by hand", async () => {
    const journal = await Journal.create(files.path("fused.jsonl"), {});
    const by = (name: string, order: string) =>
      fake(name, async ({ documents }) => ({ scores: documents.map(({ id }) => -order.indexOf(id[0]! + id[2]!)) }));
    // rd, ge, bu, wi, ba, bo stand for the six colours.
    const methods = [by("a", "rdgebuwibabo"), by("b", "bugerdwibabo"), ...parseMethods(["bm25"])];
    const fusion = { ...parseMethods(["rrf(bm25,first-stage)"]).at(-1)!, name: "f", fuses: ["a", "b"] };
    await runWith([...methods, fusion], journal, { limit: 1 });
    const fused = journal.outcomes.find(({ method }) => method === "f")!;
    const score = Object.fromEntries(fused.ids.map((id, i) => [id, fused.scores[i]!]));
    expect(score.red).toBe(Math.fround(1 / 61 + 1 / 63));
    expect(score.green).toBe(Math.fround(2 / 62));
    expect(score.brown).toBe(Math.fround(2 / 66));
    journal.close();
  });

  it("fuse what the heads of a method say, where its scores have a first stage in them", async () => {
    const journal = await Journal.create(files.path("attention.jsonl"), {});
    const only = (colour: string, documents: readonly { id: string }[]) =>
      documents.map(({ id }) => Number(id === colour));
    const joined = fake("a", async ({ documents }) => ({
      scores: only("blue", documents),
      attention: only("red", documents),
    }));
    const other = fake("b", async ({ documents }) => ({ scores: only("green", documents) }));
    const fusion = { ...parseMethods(["z:1(bm25,first-stage)"]).at(-1)!, name: "f", fuses: ["a", "b"] };
    await runWith([joined, other, fusion], journal, { limit: 1, permutations: 1 });
    const outcomes = (method: string) => journal.outcomes.filter((one) => one.method === method);
    const best = ({ ids }: { ids: string[] }, values: number[]) => ids[values.indexOf(Math.max(...values))];
    expect(outcomes("a").map((one) => best(one, one.scores))).toEqual(["blue", "blue"]);
    expect(outcomes("a").map((one) => best(one, one.attention!))).toEqual(["red", "red"]);
    expect(outcomes("f").map((one) => best(one, one.scores))).toEqual(["red"]);
    journal.close();
  });

  it("of the built-in model are what rank gives, and heads that are named rank alone", async () => {
    const texts = [
      "the boat over the river takes two pounds",
      "a ticket for the night ferry has a price of nine pounds",
    ];
    const documents = [...texts, "dog cat bird frog fish snail"].map((text, i) => ({ id: String(i), text }));
    const topic = { id: "q", query: "who has the keys", grades: new Map() };
    const request = { topic, documents, scores: [0, 0, 0], bm25: async () => [0, 0, 0] };
    await using retriever = await QRRetriever.load({ gpu: false, threads: 1 });
    const scoresOf = async (fuse?: "none") => {
      const { results } = await retriever.rank(topic.query, documents, { fuse });
      return results.toSorted((a, b) => a.index - b.index).map(({ score }) => score);
    };
    const [fused, alone] = [await scoresOf(), await scoresOf("none")];
    expect(fused).not.toEqual(alone);
    for (const method of parseMethods(["qrhead", "heads", "qrhead:auto"])) {
      await using ranker = await method.open({ load: { gpu: false, threads: 1 } });
      const { scores, attention } = await ranker.rank(request);
      expect(scores, method.name).toEqual(method.name === "qrhead" ? fused : alone);
      expect(attention, method.name).toEqual(method.name === "qrhead" ? alone : undefined);
    }
  });

  it("fuse z-scores as computed by hand, the weight for the first", async () => {
    const journal = await Journal.create(files.path("z.jsonl"), {});
    const first = fake("a", async ({ documents }) => ({ scores: documents.map((_, i) => Number(i === 0)) }));
    const second = fake("b", async ({ documents }) => ({ scores: documents.map((_, i) => Number(i === 1)) }));
    const parsed = parseMethods(["z:0.75(bm25,first-stage)"]).at(-1)!;
    expect(parsed).toMatchObject({ fuses: ["bm25", "first-stage"], weight: 0.75 });
    await runWith([first, second, { ...parsed, name: "f", fuses: ["a", "b"] }], journal, { limit: 1 });
    const { scores } = journal.outcomes.find(({ method }) => method === "f")!;
    // One 1 among six numbers: mean 1/6, deviation √5/6; its z is √5 and that of a 0 is −1/√5.
    const [one, zero] = [Math.sqrt(5), -1 / Math.sqrt(5)];
    expect(scores[0]).toBeCloseTo(0.75 * one + 0.25 * zero, 6);
    expect(scores[1]).toBeCloseTo(0.75 * zero + 0.25 * one, 6);
    expect(scores[2]).toBeCloseTo(zero, 6);
    for (const wrong of [
      "z:0.5(bm25)",
      "z:1.5(bm25,first-stage)",
      "z:0.5(bm25,first-stage,qrhead)",
      "z:x(bm25,qrhead)",
    ])
      expect(() => parseMethods([wrong]), wrong).toThrow(/method/);
    journal.close();
  });

  it("have run files of different names, however long or foreign their own", () => {
    const names = ["dense:/models/a.gguf", "dense=models/a.gguf", "検索", "探す", `x:${"y".repeat(400)}`];
    const files = [...fileNames(names).values()];
    expect(new Set(files.map((name) => name.toLowerCase())).size).toBe(names.length);
    for (const file of files) expect(file).toMatch(/^[\w.-]{1,110}$/);
  });

  it("RankGPT's answers are parsed as published, and what is no permutation is known", () => {
    expect(parsePermutation("[2] > [3] > [1]", 3)).toEqual({ permutation: [1, 2, 0], complete: true });
    expect(parsePermutation("2, 2, 9 and 1", 3)).toEqual({ permutation: [1, 0, 2], complete: false });
    expect(parsePermutation("I cannot rank these.", 2)).toEqual({ permutation: [0, 1], complete: false });
  });

  it("RankGPT's windows of 20 move up by 10 from the last document, so that one can rise to the top", async () => {
    const documents = Array.from({ length: 45 }, (_, i) => ({ id: String(i), text: String(i) }));
    const windows: string[][] = [];
    const { scores, answers, malformed } = await rankByWindows("q", documents, async (_, shown) => {
      windows.push(shown.map(({ id }) => id));
      const order = shown.map((_, i) => i).sort((a, b) => Number(shown[b]!.id) - Number(shown[a]!.id));
      return { answer: order.map((i) => `[${i + 1}]`).join(" > "), tokens: 1, words: 300 };
    });
    expect(windows.map((shown) => shown.length)).toEqual([20, 20, 20, 15]);
    expect(windows[0]![0]).toBe("25");
    expect(scores.indexOf(Math.max(...scores))).toBe(44);
    expect([answers, malformed]).toEqual([4, 0]);
  });
});

describe("the command", () => {
  const args = [
    "eval",
    "--data",
    data,
    "--threads",
    "1",
    "--method",
    "bm25",
    "--method",
    "qrhead",
    "--method",
    "rrf(bm25,qrhead)",
    "--quiet",
  ];

  it("killed at any point and resumed comes to the same figures, which the journal and TREC runs bear out", async () => {
    const whole = await run([...args, "-o", files.path("whole"), "--json"]);
    expect(whole.stderr).toBe("");
    const journal = () => {
      try {
        return readFileSync(files.path("killed/results.jsonl"), "utf8").split("\n").length;
      } catch {
        return 0;
      }
    };
    const killed = await run([...args, "-o", files.path("killed")], {
      onSpawn: (child) => {
        const timer = setInterval(() => journal() > 9 && child.kill("SIGKILL"), 2);
        child.once("close", () => clearInterval(timer));
      },
    });
    expect(killed.signal).toBe("SIGKILL");
    const resumed = await run([...args, "-o", files.path("killed"), "--resume", "--json"]);
    const [a, b] = [whole, resumed].map(({ stdout }) => JSON.parse(stdout));
    expect(b.rankings).toEqual(a.rankings);
    const figures = (report: typeof a) =>
      report.tasks[0].methods.map(({ method, measures, queries }: Record<string, unknown>) => ({
        method,
        measures,
        queries,
      }));
    expect(figures(b)).toEqual(figures(a));
    const { ids, scores } = a.rankings.boats.qrhead.q0;
    const again = measure(parseMeasure("ndcg@10"), rankingOf({ ids, scores }), new Map([["red", 1]]), "linear");
    expect(a.tasks[0].methods[1].values["ndcg@10"][0]).toBe(again);
    expect(readFileSync(files.path("whole/runs/boats.bm25.trec"), "utf8")).toMatch(/^q0\tQ0\tred\t1\t/);
    const page = readFileSync(files.path("whole/report.html"), "utf8");
    expect(page.match(/<svg/g)!.length).toBeGreaterThanOrEqual(3);
    expect(page).not.toMatch(/<script|src="http|NaN/);
  });

  it("prints a table, and explains wrong arguments in one line", async () => {
    const table = await run(["eval", "--data", data, "--method", "bm25", "--measure", "p@1"]);
    expect(table.stdout).toMatch(/boats \(pools\): 6 queries[\s\S]*bm25\s+1\.000/);
    expectFailure(await run(["eval", "--method", "bm25"]), 2, "--data");
    expectFailure(await run(["eval", "--data", data, "--method", "bm25", "--measure", "bleu"]), 2, "bleu", "ndcg@10");
    expectFailure(await run(["eval", "--data", data, "--method", "qrhead:9-9"]), 2, "9-9");
    expectFailure(await run(["eval", "--data", data, "--setting", "trec"]), 2, "longmemeval");
  });
});
