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
    expect(parseHeadSet(matched.stdout, "output").model?.name).toBe("qrhead mini");
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
