import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readGgufHeader } from "../../scripts/models/gguf-reader.ts";
import { BUILT_IN_MODEL } from "../../src/model/built-in.ts";
import { slimModel } from "../../src/model/slim.ts";
import { QRRetriever } from "../../src/retriever.ts";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";
import { canLink } from "../helpers/links.ts";
import { modelPath } from "../helpers/models.ts";
import { splitModel } from "../helpers/split-model.ts";

const files = temporaryFolder();
const docs = files.write("docs.txt", "The sky is blue.\nCats sleep all day.\nHoney is made by bees.\n");
const ask = ["rerank", "--query", "Who makes honey?", "--docs", docs, "--json"];

afterAll(() => files.remove());

describe("slim", () => {
  it("leaves out layers, keeps the scores to the last bit, and still knows the model", async () => {
    const output = files.path("mini-slim.gguf");
    const made = await run(["slim", "--heads", "1-0,1-1", "-o", output, "--json"]);
    expect(made.stderr).toBe("");
    expect(made.code).toBe(0);
    expect(JSON.parse(made.stdout)).toMatchObject({
      output,
      originalLayers: 3,
      layers: 2,
      inputBytes: statSync(BUILT_IN_MODEL).size,
      outputBytes: statSync(output).size,
      verified: true,
    });
    expect(statSync(output).size).toBeLessThan(statSync(BUILT_IN_MODEL).size);
    const { entries, tensors } = readGgufHeader(output);
    expect(entries.get("llama.block_count")?.value).toBe(2);
    expect(entries.get("qrhead.slim.original_block_count")?.value).toBe("3");
    expect([...tensors.keys()].some((name) => name.startsWith("blk.2."))).toBe(false);

    const [whole, slim, auto, again] = await Promise.all([
      run([...ask, "--heads", "1-0,1-1"]),
      run([...ask, "--heads", "1-0,1-1", "--model", output]),
      run([...ask, "--model", output]),
      run(["slim", "--heads", "1-0", "--model", output, "-o", files.path("again.gguf")]),
    ]);
    expect(JSON.parse(slim.stdout).results).toEqual(JSON.parse(whole.stdout).results);
    expect(JSON.parse(slim.stdout).model.layers).toBe(2);
    expectFailure(auto, 2, "layer 2", "mini-slim.gguf was slimmed to layers 0 to 1 of 3");
    expectFailure(again, 2, "Nothing would be saved", "1-0");
  });

  it("refuses what would lose or save nothing", async () => {
    const taken = files.write("taken.gguf", "mine");
    const copy = files.path("copy.gguf");
    copyFileSync(BUILT_IN_MODEL, copy);
    const link = canLink ? files.path("link.gguf") : copy;
    if (canLink) symlinkSync(copy, link);
    const [exists, nothing, itself, folder, nowhere, none] = await Promise.all([
      run(["slim", "--heads", "1-0", "-o", taken]),
      run(["slim", "-o", files.path("out.gguf")]),
      run(["slim", "--heads", "1-0", "--model", link, "-o", copy, "--force"]),
      run(["slim", "--heads", "1-0", "-o", files.folder, "--force"]),
      run(["slim", "--heads", "1-0", "-o", "/nowhere/out.gguf"]),
      run(["slim", "--heads", "1-0"]),
    ]);
    expectFailure(exists, 2, taken, "--force");
    expectFailure(nothing, 2, "Nothing would be saved", "layer 2");
    expectFailure(itself, 2, copy, "the model itself");
    expectFailure(folder, 2, files.folder, "folder");
    expectFailure(nowhere, 2, path.normalize("/nowhere"));
    expectFailure(none, 2, "-o");
    expect(readFileSync(taken, "utf8")).toBe("mine");
    expect(statSync(copy).size).toBe(statSync(BUILT_IN_MODEL).size);
    expect(readdirSync(files.folder).filter((name) => name.includes("partial"))).toEqual([]);
  });

  it("replaces a file with --force, and prints what was saved", async () => {
    const taken = files.write("old.gguf", "old");
    const { stdout, stderr, code } = await run(["slim", "--heads", "1-0", "-o", taken, "--force", "--no-verify"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /layers {2}2 of 3: head 1-0 is the deepest\n {2}size {4}[\d.]+ of [\d.]+ MiB, [\d.]+% saved\n$/,
    );
    expect(stderr).toContain("--no-verify");
    expect(statSync(taken).size).toBeGreaterThan(1_000_000);
  });

  it.each(["tiny-gemma3", "tiny-gptoss", "tiny-qwen2"])("keeps the scores of %s", async (name) => {
    const output = files.path(`${name}-slim.gguf`);
    const result = await slimModel({ load: QRRetriever.load, model: modelPath(name), heads: "1-0", output });
    expect(result).toMatchObject({ layers: 2, verified: true });
    expect(existsSync(output)).toBe(true);
  });

  it("slims a slim file again, and a model in several files", async () => {
    const first = splitModel(modelPath("tiny-llama"), files.folder);
    const once = files.path("once.gguf");
    const twice = files.path("twice.gguf");
    const whole = await slimModel({ load: QRRetriever.load, model: first, heads: "2-0", output: once });
    expect(whole.inputBytes).toBeGreaterThan(statSync(first).size);
    expect(whole).toMatchObject({ inputLayers: 4, layers: 3, verified: true });
    const result = await slimModel({ load: QRRetriever.load, model: once, heads: "1-0", output: twice });
    expect(result).toMatchObject({ originalLayers: 4, inputLayers: 3, layers: 2, verified: true });
    await using retriever = await QRRetriever.load({ model: twice, heads: "1-0" });
    expect(retriever.model).toMatchObject({ layers: 2, originalLayers: 4 });
  });
});
