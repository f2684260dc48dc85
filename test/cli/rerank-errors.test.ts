import { existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, it } from "vitest";
import { llamaSource } from "../../scripts/llama-source.mjs";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";

const files = temporaryFolder();
const docs = files.write("docs.txt", "The sky is blue.\nCats sleep.\n");
const tiny = modelPath("tiny-llama");
const ask = ["--query", "sky"];
const asked = [...ask, "--docs", docs];
const model = (name: string) => [...asked, "--heads", "all", "--model", name];

const truncated = files.write("truncated.gguf", readFileSync(tiny).subarray(0, 3_000_000));
const corrupt = files.write("corrupt.gguf", Buffer.concat([Buffer.from("GGUF"), Buffer.alloc(5000, 0xa7)]));
const prose = files.write("prose.gguf", "This is no model.");
const vocabulary = path.join(llamaSource(), "models", "ggml-vocab-llama-bpe.gguf");
const broken = files.write("broken.jsonl", '{"text":"a"}\n{"text":"b"\n{"text":"c"}\n');
const latin1 = files.write("latin1.txt", Buffer.from("plain\ncaf\xe9\n", "latin1"));
const twins = files.write("twins.json", '[{"id":"x","text":"a"},{"id":"x","text":"b"}]');
const textless = files.write("textless.jsonl", '{"text":"a"}\n{"title":"b"}\n');
const noFiles = files.path("no-files");
mkdirSync(noFiles);
const empty = files.write("empty.txt", "");
const otherHeads = files.write(
  "other-heads.json",
  JSON.stringify({
    format: "qrhead-heads",
    version: 1,
    model: { name: "Other", architecture: "qwen2", layers: 24, heads: 14 },
    heads: [[3, 1]],
  }),
);
const noHeads = files.write("no-heads.json", '{"format":"qrhead-heads","version":2}');

type Case = [what: string, args: string[], code: number, parts: string[]];

const cases: Case[] = [
  ["no query", ["--docs", docs], 2, ["--query"]],
  ["no documents option", ask, 2, ["--docs"]],
  ["a blank query", ["--query", " ", "--docs", docs], 2, ["--query", '" "']],
  ["two queries", [...asked, "--query-file", docs], 2, ["--query", "--query-file"]],
  ["a missing query file", ["--query-file", "/nowhere/q.txt", "--docs", docs], 2, ["/nowhere/q.txt"]],
  ["an empty query file", ["--query-file", empty, "--docs", docs], 2, [JSON.stringify(empty)]],
  ["standard input twice", ["--query-file", "-", "--docs", "-"], 2, ["--query-file", "--docs"]],

  ["a missing documents file", [...ask, "--docs", "/nowhere/d.jsonl"], 2, ["/nowhere/d.jsonl", "does not exist"]],
  ["a folder without files", [...ask, "--docs", noFiles], 2, [noFiles, "has no files"]],
  ["no documents", [...ask, "--docs", empty], 2, [empty, "no documents"]],
  ["no documents on standard input", [...ask, "--docs", "-"], 2, ["standard input"]],
  ["malformed JSON Lines", [...ask, "--docs", broken], 2, [broken, "line 2"]],
  ["invalid UTF-8", [...ask, "--docs", latin1], 2, [latin1, "line 2", "UTF-8"]],
  ["duplicate ids", [...ask, "--docs", twins], 2, [twins, '"x"']],
  ["a document without text", [...ask, "--docs", textless], 2, [textless, "line 2", '"text"']],

  ["a missing model", model("/nowhere/m.gguf"), 2, [path.resolve("/nowhere/m.gguf"), "does not exist"]],
  ["a folder as model", model(files.folder), 2, [files.folder, "folder"]],
  ["text as model", model(prose), 2, [prose, "GGUF"]],
  ["a truncated model", model(truncated), 1, [truncated]],
  ["a corrupt model", model(corrupt), 1, [corrupt]],
  ["an encoder", model(modelPath("tiny-bert")), 1, ["tiny-bert.gguf", "encoder"]],
  ["a recurrent model", model(modelPath("tiny-mamba")), 1, ["tiny-mamba.gguf", "recurrent"]],
  ["a folder without libraries", [...asked, "--library", files.folder], 1, [files.folder]],

  ["a layer out of range", [...asked, "--heads", "3-0"], 2, ["3-0", "0 to 2"]],
  ["a head out of range", [...asked, "--heads", "2-9"], 2, ["2-9", "0 to 8"]],
  ["a head twice", [...asked, "--heads", "3-1,3-1"], 2, ["3-1"]],
  ["malformed heads", [...asked, "--heads", "3-1,x"], 2, ["3-1,x"]],
  ["too many random heads", [...asked, "--heads", "random:28:1"], 2, ["random:28:1", "27"]],
  ["an unknown head-set file", [...asked, "--heads", "nowhere.json"], 2, ["nowhere.json"]],
  ["a folder as head-set file", [...asked, "--heads", files.folder], 2, [files.folder]],
  ["another version of head-set file", [...asked, "--heads", noHeads], 2, [noHeads, "version"]],
  ["a head set of another model", [...asked, "--heads", otherHeads], 2, ["Other", "qwen2"]],
  ["a published set of another model", [...asked, "--heads", "qrhead-llama-3.1-8b-lme"], 2, ["Llama-3.1-8B-Instruct"]],
  ["auto without a match", [...asked, "--model", tiny], 2, ["Random tiny-llama", "--heads"]],
  [
    "a template that is not there",
    [...asked, "--model", modelPath("tiny-mpt"), "--heads", "all", "--prompt", "template"],
    2,
    ["template"],
  ],

  ["a context that is too small", [...asked, "--context-size", "40"], 2, ["40", "--context-size"]],
  ["an unknown option", [...asked, "--contextsize", "64"], 2, ["--contextsize", "--context-size"]],
  ["a file that is not there beside one that is", [...asked, "extra"], 2, ["extra", "does not exist"]],
  ["blank heads", [...asked, "--heads", ""], 2, ["--heads", '""']],
];

const values: [option: string, value: string, expected: string][] = [
  ["--top-k", "0", "at least 1"],
  ["--top-k", "3.5", "integer"],
  ["--top-k", "-1", "at least 1"],
  ["--max-document-tokens", "none", "integer"],
  ["--context-size", "8", "16"],
  ["--batch-size", "0", "16384"],
  ["--threads", "9999", "512"],
  ["--gpu", "rocm", "vulkan"],
  ["--gpu-layers", "1e3", "integer"],
  ["--order", "random", "reverse"],
  ["--cache-type-k", "q2_k", "q8_0"],
  ["--cache-type-v", "F16", "f16"],
  ["--prompt", "llama2", "llama3"],
  ["--null-query", "", "not blank"],
  ["--model", "", "path"],
  ["--library", " ", "folder"],
];

afterAll(() => files.remove());

describe.concurrent("rerank fails in one line", () => {
  it.each(cases)("for %s", async (_, args, code, parts) => {
    expectFailure(await run(["rerank", ...args, "--json"]), code, ...parts);
  });

  it.each(values)("for %s %j", async (option, value, expected) => {
    expectFailure(await run(["rerank", ...asked, option, value]), 2, option, JSON.stringify(value), expected);
  });

  it.skipIf(!existsSync(vocabulary))("for a vocabulary without weights", async () => {
    expectFailure(await run(["rerank", ...model(vocabulary)]), 1, vocabulary);
  });
});
