import { existsSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { parseHeadSet } from "../../src/heads/head-set.ts";
import { PUBLISHED_HEAD_SETS } from "../../src/heads/published.ts";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";

const files = temporaryFolder();
afterAll(() => files.remove());

describe.concurrent("heads", () => {
  it("lists every published set", async () => {
    const [table, json] = await Promise.all([run(["heads", "list"]), run(["heads", "list", "--json"])]);
    expect(table.code).toBe(0);
    const listed = JSON.parse(json.stdout) as { name: string; heads: number }[];
    expect(listed.map(({ name }) => name)).toEqual(PUBLISHED_HEAD_SETS.map(({ name }) => name));
    for (const { name } of listed) expect(table.stdout).toContain(name);
    expect(table.stdout).toMatch(/qrhead-llama-3.1-8b-lme +Llama-3.1-8B-Instruct +32×32 +16 +mass, LongMemEval/);
  });

  it("shows a set: heads, provenance and the layers it needs", async () => {
    const { stdout, code } = await run(["heads", "show", "qrhead-llama-3.1-8b-lme"]);
    expect(code).toBe(0);
    expect(stdout).toContain("13-18,13-21");
    expect(stdout).toContain("0 to 17 of 32 are needed (56%)");
    expect(stdout).toContain("QRHead (EMNLP 2025)");
  });

  it("prints a head-set file with --json, also for the formats of others", async () => {
    const yaml = files.write("config.yaml", 'attn_head_set: "3-1,2-0"\n');
    const [published, foreign, matched] = await Promise.all([
      run(["heads", "show", "qrhead-llama-3.1-8b-lme", "--json"]),
      run(["heads", "show", yaml, "--model", modelPath("tiny-llama"), "--json"]),
      run(["heads", "show", "auto", "--json"]),
    ]);
    expect(parseHeadSet(published.stdout, "output").heads).toHaveLength(16);
    const converted = parseHeadSet(foreign.stdout, "output");
    expect(converted.heads).toEqual([
      [3, 1],
      [2, 0],
    ]);
    expect(converted.model).toMatchObject({ name: "Random tiny-llama", layers: 4, heads: 4 });
    expect(parseHeadSet(matched.stdout, "output").model?.name).toBe("qrhead mini v3");
  });

  it("compares two sets, also with random heads of a model", async () => {
    const one = files.write("one.json", '{"0-0": 4, "0-1": 3, "1-0": 2, "1-1": 1}');
    const two = files.write("two.json", '{"0-0": 3, "0-1": 4, "1-0": 2, "1-1": 1}');
    const tiny = ["--model", modelPath("tiny-llama")];
    const [text, json, random, unclear] = await Promise.all([
      run(["heads", "compare", one, two]),
      run(["heads", "compare", one, two, "--json"]),
      run(["heads", "compare", "all", "random:4:1", ...tiny]),
      run(["heads", "compare", "all", "random:4:1"]),
    ]);
    expect(text.stdout).toMatch(
      /overlap {3}100% of the smaller set, 100% by chance\n {2}jaccard {3}1\.000\n {2}spearman {2}0\.800 over/,
    );
    expect(JSON.parse(json.stdout)).toMatchObject({ overlap: 1, top: [{ heads: 1, overlap: 0 }], spearman: 0.8 });
    expect(random.stdout).toMatch(/^all \(16 heads\) and random:4:1 \(4 heads\)\n {2}shared {4}4: /);
    expectFailure(unclear, 2, '"all" depend on the model', "--model");
  });

  it("keeps the best heads of a set, for commands that take a file", async () => {
    const scores = [
      [0.4, 0.1, 0],
      [0.3, 0.2, 0],
    ];
    const set = {
      ...{ format: "qrhead-heads", version: 1, scores, source: { name: "notes", examples: 8 }, objective: "mass" },
      model: { name: "M", architecture: "llama", layers: 2, heads: 3 },
      heads: ["0-0", "1-0", "1-1"].map((key) => key.split("-").map(Number)),
      weights: [3, 2, 1],
      stability: { splits: 50, examples: 4, overlap: 0.75, chance: 0.5, curve: [{ examples: 4, overlap: 0.75 }] },
      quality: { folds: 5, byHeads: [4, 6].map((heads) => ({ heads, ndcg: 0.875, rPrecision: 0.5 })) },
    };
    const [whole, best] = [files.write("whole.json", JSON.stringify(set)), files.path("best.json")];
    const [shown, trimmed, more] = await Promise.all([
      run(["heads", "show", whole]),
      run(["heads", "trim", whole, "--top", "2", "-o", best]),
      run(["heads", "trim", whole, "--top", "4", "-o", files.path("more.json")]),
    ]);
    expect(shown.stdout).toMatch(/stable {2}75% of the heads .*\n {2}ranks .*: 4: 0\.875, all 0\.875\n/);
    expect(trimmed.stdout).toBe(`${best}: the first 2 of 3 heads, 0-0,1-0\n`);
    const { stability: _, ...kept } = set;
    expect(parseHeadSet(readFileSync(best, "utf8"), best)).toEqual({
      ...kept,
      heads: set.heads.slice(0, 2),
      weights: [3, 2],
    });
    expectFailure(more, 2, "whole.json has 3 heads, fewer than the 4 requested");
  });

  it("exports a set in formats that others read, and draws it", async () => {
    const scores = files.write("scores.json", '{"0-0": 4, "0-1": 3, "1-0": 2, "1-1": 1}');
    const [yaml, map] = [files.path("out.yaml"), files.path("map.html")];
    const [written, list, printed, none, drawn, unknown] = await Promise.all([
      run(["heads", "export", "qrhead-llama-3.1-8b-lme", "--format", "qrhead-yaml", "-o", yaml]),
      run(["heads", "export", scores, "--format", "qrhead-list"]),
      run(["heads", "export", scores, "--format", "qrhead-list", "-o", "-"]),
      run(["heads", "export", "qrhead-llama-3.1-8b-lme", "--format", "wu"]),
      run(["heads", "plot", "qrhead-llama-3.1-8b-lme", "-o", map]),
      run(["heads", "plot", scores, "-o", files.path("scores.svg")]),
    ]);
    expect(written.code).toBe(0);
    expect(readFileSync(yaml, "utf8")).toContain('attn_head_set: "13-18,13-21,');
    expect(list.stdout).toBe('[["0-0",4],["0-1",3],["1-0",2],["1-1",1]]\n');
    expect([printed.stdout, existsSync("-")]).toEqual([list.stdout, false]);
    expectFailure(none, 2, "qrhead-llama-3.1-8b-lme", "qrhead-yaml");
    expect(drawn.stdout).toContain("16 heads marked");
    expect(readFileSync(map, "utf8")).toContain("Layer 13, head 18: number 1 of the set");
    expectFailure(unknown, 2, "does not say which model", "--model");
  });

  it("says whether a set fits a model", async () => {
    const list = files.write("list.txt", "3-1,2-0");
    const far = files.write("far.txt", "9-0");
    const tiny = ["--model", modelPath("tiny-llama")];
    const [fits, other, outside, unknown, none] = await Promise.all([
      run(["heads", "show", list, ...tiny]),
      run(["heads", "show", "qrhead-llama-3.1-8b-lme", ...tiny]),
      run(["heads", "show", far, ...tiny]),
      run(["heads", "show", "nothing-like-it"]),
      run(["heads", "show", "auto", ...tiny]),
    ]);
    expect(fits.stdout).toContain("fits    Random tiny-llama");
    expectFailure(other, 2, "qrhead-llama-3.1-8b-lme", "Random tiny-llama");
    expectFailure(outside, 2, "9-0");
    expectFailure(unknown, 2, "nothing-like-it", "qrhead heads list");
    expectFailure(none, 2, "Random tiny-llama", "qrhead detect");
  });
});
