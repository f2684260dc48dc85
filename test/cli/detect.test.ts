import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { exampleBar, timeLeft } from "../../src/cli/example-bar.ts";
import { BOOTSTRAP_TEXT } from "../../src/detect/bootstrap-text.ts";
import { parseHeadSet } from "../../src/heads/head-set.ts";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";
import { EXAMPLES } from "../helpers/detect-examples.ts";
import { modelPath, plantedHeads } from "../helpers/models.ts";

const files = temporaryFolder();
afterAll(() => files.remove());

const lines = EXAMPLES.map((example) => `${JSON.stringify(example)}\n`);
const examples = files.write("examples.jsonl", lines.join(""));
const docs = files.write("docs.txt", "Smoke calms a hive.\nIce carves valleys.\nThe moon pulls the ocean.\n");
const planted = ["--model", modelPath("planted"), "--gpu", "false", "--threads", "1"];
const detect = ["detect", ...planted, "--examples", examples];
const best = String(plantedHeads.length);
const sorted = (heads: readonly (readonly number[])[]) => heads.map(String).sort();

it("shows that the first example is read, and not that all are checked", () => {
  const shown: string[] = [];
  const onProgress = ({ phase, done, total }: { phase: string; done: number; total: number }) =>
    shown.push(`${phase} ${done} of ${total}`);
  const { onExample } = exampleBar({ onProgress, stop: () => {} });
  for (const done of [1, 2]) onExample!({ phase: "check", done, total: 2, id: "a" });
  expect(shown).toEqual(["check 1 of 2", "score 0 of 2"]);
});

describe.concurrent("detect", () => {
  it("writes a head set that rerank takes, and says what to type next", async () => {
    const output = files.path("my heads.json");
    const { stdout, stderr, code } = await run([...detect, "-o", output, "--top", best]);
    expect(code).toBe(0);
    expect(stdout).toContain(
      `${output}: 5 of 32 heads\n  model   Planted retrieval heads 7 (llama, 4 layers of 8 heads)`,
    );
    expect(stdout).toMatch(/found {3}mass, 6 examples of examples\.jsonl, prompt \w/);
    expect(stdout).toContain("layers  all 4 are needed");
    expect(stdout).toMatch(/\nRank +Head +Score\n +1 +\d-\d +\d\.\d+\n/);
    const quote = process.platform === "win32" ? '"' : "'";
    expect(stderr).toBe(
      `\nNext: qrhead rerank --model ${modelPath("planted")} --heads ${quote}${output}${quote} "…" FILE\n`,
    );
    const set = parseHeadSet(readFileSync(output, "utf8"), output);
    expect(sorted(set.heads)).toEqual(sorted(plantedHeads));
    expect(readdirSync(files.folder).filter((name) => name.startsWith(".my heads"))).toEqual([]);

    const ranked = await run([
      "rerank",
      ...planted,
      "--heads",
      output,
      "--query",
      "ice and valleys",
      "--docs",
      docs,
      "--json",
    ]);
    expect(ranked.stderr).toBe("");
    expect(JSON.parse(ranked.stdout)).toMatchObject({ heads: set.heads, headSet: output });
    expect(JSON.parse(ranked.stdout).results[0].id).toBe("1");
  });

  it("prints the contract's JSON, of examples from standard input, and writes it too where asked", async () => {
    const output = files.path("contrastive.json");
    const options = [
      "--objective",
      "contrastive",
      "--temperature",
      "0.05",
      "--top",
      best,
      "--shuffle",
      "3",
      "--limit",
      "5",
    ];
    const args = ["detect", ...planted, "--examples", "-", ...options, "--json"];
    const [only, both] = await Promise.all([
      run(args, { input: lines.join("") }),
      run([...args, "-o", output], { input: lines.join("") }),
    ]);
    expect(only.stderr).toBe("");
    expect(both.stdout).toBe(only.stdout);
    const set = JSON.parse(only.stdout);
    expect(JSON.parse(readFileSync(output, "utf8"))).toEqual(set);
    expect(Object.keys(set)).toEqual([
      ...["format", "version", "model", "prompt", "objective", "temperature", "seed", "source", "heads"],
      ...["calibration", "stability", "quality", "scores"],
    ]);
    expect(set).toMatchObject({ objective: "contrastive", source: { name: "standard input", examples: 5 } });
    expect(sorted(set.heads)).toEqual(sorted(plantedHeads));
  });

  it("replaces a file with --force only", async () => {
    const taken = files.write("taken.json", "mine");
    expectFailure(await run([...detect, "-o", taken]), 2, taken, "exists", "--force");
    expect(readFileSync(taken, "utf8")).toBe("mine");
    const args = [...detect, "-o", taken, "--limit", "1", "--force", "--quiet"];
    expect(await run(args)).toMatchObject({ code: 0, stderr: "" });
    const { heads, scores } = parseHeadSet(readFileSync(taken, "utf8"), taken);
    for (const [layer, head] of heads) expect(scores![layer]![head]).toBeGreaterThan(0);
    const { code, stderr } = await run([...args, "--top", "500"]);
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^qrhead: warning: The model has only 32 heads, fewer than the 500 requested: all are written\n/,
    );
    const { heads: every, scores: all } = parseHeadSet(readFileSync(taken, "utf8"), taken);
    expect(every).toHaveLength(32);
    const without = all!.flat().filter((rating) => !(rating > 0)).length;
    expect(without).toBeGreaterThan(0);
    expect(stderr).toContain(`qrhead: warning: ${without} of the heads have no rating above zero, as --top asked`);
  });

  it("makes examples from a folder of texts, draws a map, and leaves no checkpoint", async () => {
    const notes = files.path("notes");
    mkdirSync(path.join(notes, "deeper"), { recursive: true });
    const passages = BOOTSTRAP_TEXT.trim().split("\n\n");
    files.write("notes/first.md", passages.slice(0, 5).join("\n\n"));
    files.write("notes/deeper/second.TXT", passages.slice(5, 9).join("\n\n"));
    files.write("notes/picture.png", Buffer.from([0xff, 0xd8, 0xff]));
    const [output, map] = [files.path("boot.json"), files.path("boot.svg")];
    const options = ["--bootstrap", notes, "--limit", "4", "--documents", "6", "--top", best, "--seed", "1"];
    const { stdout, code } = await run(["detect", ...planted, ...options, "-o", output, "--plot", map]);
    expect(code).toBe(0);
    expect(stdout).toContain("mass, 4 examples of bootstrap (mixed) of notes, prompt plain");
    expect(stdout).toMatch(
      /\n {2}stable {2}100% of the heads are the same when 2 other examples choose \(16% by chance\)\n/,
    );
    expect(stdout).toMatch(/\n {2}ranks {3}nDCG@10 of held-out examples by number of heads: 4: 1\.000, .* all \d/);
    const set = parseHeadSet(readFileSync(output, "utf8"), output);
    expect(sorted(set.heads)).toEqual(sorted(plantedHeads));
    expect(readFileSync(map, "utf8")).toMatch(/^<svg /);
    // Other tests run beside this one in the same folder.
    expect(readdirSync(files.folder).filter((name) => name.startsWith("boot.json."))).toEqual([]);
  });

  it("puts as many documents into a bootstrap example as the context holds, whatever the script", async () => {
    const chinese = Array.from({ length: 30 }, (_, i) => `灯塔第${i}座用很远就能看见的灯光标出海岸。`.repeat(4)).join(
      "\n\n",
    );
    const text = files.write("chinese.txt", chinese);
    const small = ["detect", ...planted, "--bootstrap", text, "--limit", "4", "--context-size", "2048", "--json"];
    const [chosen, asked] = await Promise.all([run(small), run([...small, "--documents", "20"])]);
    const count = /^(\d+) documents in each example: the context or the text holds no more$/m.exec(chosen.stderr);
    expect(Number(count?.[1])).toBeGreaterThanOrEqual(4);
    expect(Number(count?.[1])).toBeLessThan(20);
    expect(JSON.parse(chosen.stdout).source.examples).toBe(4);
    expectFailure(asked, 2, "examples[", "fewer --documents", "--skip-long", "--context-size");
  });

  it("leaves a file of another kind out of a folder of texts", async () => {
    const mixed = files.path("mixed");
    mkdirSync(mixed);
    files.write("mixed/good.md", BOOTSTRAP_TEXT.slice(0, 6000));
    files.write("mixed/bad.txt", Buffer.from("caf\xe9", "latin1"));
    const { stderr, code } = await run([
      "detect",
      ...planted,
      "--bootstrap",
      mixed,
      "--limit",
      "2",
      "--documents",
      "4",
      "--json",
    ]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^qrhead: warning: .*bad\.txt, line 1 is not valid UTF-8.*; it is left out\n$/);
  });

  it("goes on after it was killed, to the same file", async () => {
    const many = files.write("many.jsonl", [...lines, ...lines, ...lines].join(""));
    const [whole, output] = [files.path("whole.json"), files.path("killed.json")];
    const args = ["detect", ...planted, "--examples", many, "-o"];
    expect((await run([...args, whole])).code).toBe(0);
    const checkpoint = `${output}.checkpoint.jsonl`;
    const killed = await run([...args, output], {
      onSpawn(child) {
        const timer = setInterval(() => {
          if (existsSync(checkpoint) && readFileSync(checkpoint, "utf8").split("\n").length > 4) child.kill("SIGKILL");
        }, 5);
        child.on("close", () => clearInterval(timer));
      },
    });
    expect(killed.signal).toBe("SIGKILL");
    expect(existsSync(output)).toBe(false);
    expectFailure(await run([...args, output]), 2, checkpoint, "--resume", "--force");
    expect((await run([...args, output, "--resume"])).code).toBe(0);
    expect(readFileSync(output, "utf8")).toBe(readFileSync(whole, "utf8"));
    expect(existsSync(checkpoint)).toBe(false);
  });

  const broken = files.write("broken.jsonl", `${lines[0]}{"query":"q"\n`);
  const unknown = files.write("unknown.jsonl", `\n${lines[0]!.replace('"gold":["lighthouse"]', '"gold":["nowhere"]')}`);
  const output = files.path("never.json");
  const empty = files.write("empty.txt", "");
  const latin = files.write("latin.txt", Buffer.from("fine\ncaf\xe9\n", "latin1"));
  const bare = files.path("bare");
  mkdirSync(bare);
  const to = ["-o", output];
  it.each<[what: string, args: string[], parts: string[]]>([
    ["no examples", ["detect", ...planted, ...to], ["standard input has no examples"]],
    ["examples and a bootstrap", [...detect, ...to, "--bootstrap"], ["--examples or --bootstrap", "both"]],
    ["a needle without a bootstrap", [...detect, ...to, "--needle", "fact"], ["--needle", "--bootstrap only"]],
    ["a bootstrap from nothing", ["detect", ...planted, ...to, "--bootstrap", empty], [empty, "0 passages"]],
    [
      "a bootstrap from nowhere",
      ["detect", ...planted, ...to, "--bootstrap", "/no.txt"],
      ["/no.txt", "does not exist"],
    ],
    ["a folder without text", ["detect", ...planted, ...to, "--bootstrap", bare], [bare, ".txt or .md"]],
    ["a text that is not UTF-8", ["detect", ...planted, ...to, "--bootstrap", latin], [latin, "line 2", "UTF-8"]],
    ["a share above 1", [...detect, ...to, "--until-stable", "90"], ["--until-stable", "at most 1"]],
    ["a picture of another kind", [...detect, ...to, "--plot", "map.png"], ["--plot", ".html or .svg"]],
    ["weights of too few examples", [...detect, ...to, "--fit-weights"], ["at least 8 examples", "received 6"]],
    ["to resume nothing", [...detect, "--json", "--resume"], ["--checkpoint FILE"]],
    ["a checkpoint that is none", [...detect, ...to, "--resume", "--checkpoint", docs], [docs, "not a checkpoint"]],
    ["no output", detect, ["-o FILE", "--json"]],
    [
      "a missing examples file",
      ["detect", "--examples", "/nowhere/e.jsonl", ...to],
      ["/nowhere/e.jsonl", "does not exist"],
    ],
    ["an output in no folder", [...detect, "-o", "/nowhere/h.json"], [path.resolve("/nowhere/h.json")]],
    ["an output that is a folder", [...detect, "-o", files.folder, "--force"], [files.folder, "folder"]],
    ["broken JSON", ["detect", ...planted, "--examples", broken, ...to], [broken, "line 2", "JSON"]],
    ["unknown gold", ["detect", ...planted, "--examples", unknown, ...to], [unknown, "line 2", '"nowhere"', '"gold"']],
    ["an unknown objective", [...detect, ...to, "--objective", "recall"], ["--objective", "mass, ndcg, contrastive"]],
    ["a wrong temperature", [...detect, ...to, "--temperature", "-1"], ["--temperature", "a number above 0"]],
    ["a temperature without use", [...detect, ...to, "--temperature", "1"], ["temperature", "contrastive"]],
    ["a wrong number of heads", [...detect, ...to, "--top", "0"], ["--top"]],
    ["a seed that is too large", [...detect, ...to, "--shuffle", "4294967296"], ["--shuffle", "from 0 to 4294967295"]],
    ["a context that is too small", [...detect, ...to, "--context-size", "64"], ["line 1", '"lamp"', "--context-size"]],
  ])("refuses %s", async (_, args, parts) => {
    expectFailure(await run(args), 2, ...parts);
    expect(existsSync(output)).toBe(false);
  });
});

describe("the time left", () => {
  it.each([
    [1000, 5, 10, ""],
    [60_000, 0, 10, ""],
    [60_000, 10, 10, ""],
    [10_000, 5, 10, "10 s left"],
    [60_000, 1, 10, "9 min left"],
    [60_000, 0.5, 70, "2 h 19 min left"],
  ])("after %i ms and %f of %i examples is %j", (elapsed, done, total, expected) => {
    expect(timeLeft(elapsed, done, total)).toBe(expected);
  });
});
