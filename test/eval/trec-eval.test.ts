import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import type { EvalReport } from "../../src/eval/report/report.ts";
import { seededRandom } from "../../src/heads/heads.ts";
import { run, temporaryFolder } from "../helpers/cli.ts";

const files = temporaryFolder();
afterAll(files.remove);

const script = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "helpers", "trec_measures.py");
const python = spawnSync("python3", ["--version"]).status === 0;
const MEASURES = ["ndcg@10", "ndcg", "recall@5", "p@5", "p@40", "map", "map@7", "mrr", "mrr@2", "success@3"];
const METHODS = ["first-stage", "bm25", "rrf(first-stage,bm25)"];

/** Judgements of six grades, some of documents that there are not, and runs whose scores often tie, some only as floats. */
function makeData() {
  const random = seededRandom(11);
  const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)]!;
  const ids = Array.from({ length: 40 }, (_, i) => (i % 7 === 0 ? `d ${i}` : `d${i}`));
  const words = ["boat", "ferry", "quay", "harbour", "captain"];
  mkdirSync(files.path("data"));
  const corpus = ids.map((_id) => ({ _id, text: Array.from({ length: 4 }, () => pick(words)).join(" ") }));
  files.write("data/corpus.jsonl", corpus.map((document) => JSON.stringify(document)).join("\n"));
  const queries = Array.from({ length: 12 }, (_, i) => ({ _id: `q${i}`, text: `${pick(words)} ${pick(words)}` }));
  files.write("data/queries.jsonl", queries.map((query) => JSON.stringify(query)).join("\n"));
  const draw = (count: number) => [...ids].sort(() => random() - 0.5).slice(0, count);
  const qrels = queries.flatMap(({ _id }) => [
    `${_id}\tabsent\t2`,
    ...draw(12).map((id) => `${_id}\t${id}\t${pick([-1, 0, 1, 2, 3, 4])}`),
  ]);
  files.write("data/qrels.tsv", qrels.join("\n"));
  const scores = ["0.1", "0.2", "0.3", "0.30000000001", "1e-3", "-2"];
  const lines = queries.flatMap(({ _id }) => draw(20).map((id) => `${_id}\tQ0\t${id}\t0\t${pick(scores)}\tx`));
  return { data: files.path("data"), trec: files.write("my.trec", lines.join("\n")) };
}

describe.skipIf(!python)("against an implementation in Python (needs python3)", () => {
  const { data, trec } = makeData();

  it.each(["linear", "exponential"])("every measure of every query is the same, %s gain", async (gain) => {
    const output = files.path(`out-${gain}`);
    const args = ["eval", "--data", data, "--run", trec, "--gain", gain, "--quiet", "--json", "-o", output];
    const flags = [
      ...METHODS.flatMap((name) => ["--method", name]),
      ...MEASURES.flatMap((name) => ["--measure", name]),
    ];
    const { stdout, stderr } = await run([...args, ...flags]);
    expect(stderr).toBe("");
    const report: EvalReport = JSON.parse(stdout);
    const runs = ["first-stage", "bm25", "rrf_first-stage_bm25"].map((name) => `${output}/runs/data.${name}.trec`);
    const checked = spawnSync("python3", [script, gain, `${output}/runs/data.qrels`, ...runs], {
      input: MEASURES.join("\n"),
    });
    expect(checked.stderr.toString()).toBe("");
    const { values, p } = JSON.parse(checked.stdout.toString());
    const queries = Object.keys(report.judgements.data!);
    for (const [i, { method, values: ours, comparison }] of report.tasks[0]!.methods.entries()) {
      for (const key of MEASURES) {
        const theirs = queries.map((query) => values[runs[i]!][key][query]);
        expect(ours[key], `${method} ${key}`).toEqual(theirs.map((value) => expect.closeTo(value, 12)));
      }
      if (comparison) expect(comparison.p).toBeCloseTo(p[runs[i]!], 12);
    }
    // Holm by its definition: p in order, times how many are left, never below the one before.
    const [less, more] = [p[runs[1]!], p[runs[2]!]].sort((a, b) => a - b);
    const corrected = report.tasks[0]!.methods.flatMap(({ comparison }) => comparison?.pHolm ?? []);
    const first = Math.min(1, 2 * less);
    expect(corrected.sort((a, b) => a - b)).toEqual([first, Math.max(first, more)].map((v) => expect.closeTo(v, 12)));
  });
});
