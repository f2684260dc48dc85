// Every example that --help shows is run by a shell, in a folder with files of the names that it uses.
import { spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { BOOTSTRAP_TEXT } from "../../src/detect/bootstrap-text.ts";
import { openIndex } from "../../src/index-store/chunk-index.ts";
import { BUILT_IN_MODEL } from "../../src/model/built-in.ts";
import { command, temporaryFolder } from "../helpers/cli.ts";
import { EXAMPLES } from "../helpers/detect-examples.ts";
import { hasRedis, type OwnRedis, startRedis } from "../helpers/redis.ts";

const BUILT_IN_SHAPE = { name: "qrhead mini v3", architecture: "llama", layers: 3, heads: 9 };

const files = temporaryFolder();
let redis: OwnRedis | undefined;
beforeAll(async () => {
  if (hasRedis) redis = await startRedis();
});
afterAll(async () => {
  await redis?.remove();
  files.remove();
});

/** Every command and subcommand with the text that --help prints. */
function helpTexts(parent: Command, names: readonly string[] = []): { name: string; text: string }[] {
  let text = "";
  parent.configureOutput({ writeOut: (part) => (text = text.concat(part)) }).outputHelp();
  const inside = parent.commands.flatMap((child) => helpTexts(child, [...names, child.name()]));
  return [{ name: ["qrhead", ...names].join(" "), text }, ...inside];
}

const texts = helpTexts(await createProgram());

describe("help", () => {
  it.each(texts)("of $name says a default once, as it is typed", ({ text }) => {
    for (const option of text.replace(/\n {10,}/g, " ").split("\n")) {
      expect(option.match(/\(default/g)?.length ?? 0, option).toBeLessThanOrEqual(1);
      expect(option).not.toMatch(/\(default: (\[|"\w+"\))/);
    }
  });
});

/** What an example has smaller here, so that it takes no minutes. */
const SMALLER: readonly [RegExp, string][] = [
  [
    /qrhead (rerank|prune|ask|retrieve|inspect|detect|retrieval-heads|eval|eval-answer|reproduce|slim|bench)(?= )|qrhead (doctor|bench)$/,
    "$& --threads 1",
  ],
  [/^qrhead bench.*/, "$& --document-tokens 64 --query-tokens 16 --rounds 1 --no-memory"],
  [/--lengths 20 --depths 10/, "--lengths 1 --depths 1"],
  [/^qrhead retrieval-heads/, "$& --lengths 1 --depths 1 --max-tokens 600 --force"],
  [/^qrhead ask/, "$& --max-tokens 4"],
  [/^qrhead detect.* -o my-heads.json/, "$& --force"],
  [/(--bootstrap|^qrhead detect -m my\.gguf) notes\//, "$& --limit 4 --documents 6"],
  [/--growth/, ""],
  [/> ~\/\S+/, "> completion.sh"],
  // Submissions wait for a worker, and a worker for jobs.
  [
    /^qrhead submit (?!failed|.*--help).*/,
    "qrhead worker --redis redis://127.0.0.1 --threads 1 > worker.txt & worker=$!; $&; code=$?; kill -TERM $worker; wait $worker; exit $code",
  ],
  [
    /^qrhead worker (?!.*&).*/,
    ": > line.txt; $& --threads 1 >> line.txt & worker=$!; until grep -q ready line.txt; do kill -0 $worker && sleep 0.1 || exit 1; done; kill -TERM $worker; wait $worker",
  ],
  [/redis:\/\/127\.0\.0\.1(:6379)?/g, "$REDIS"],
  // A server runs until it is told to stop.
  [
    /^qrhead serve.*/,
    ": > line.txt; $& --port 0 --threads 1 >> line.txt & server=$!; until grep -q listening line.txt; do kill -0 $server && sleep 0.1 || exit 1; done; kill -TERM $server; wait $server",
  ],
];

/** Examples that may need what a test machine has not, and the sentence that they then end with. */
const UNABLE: readonly [RegExp, string][] = [
  [/^qrhead doctor .*--gpu vulkan/, "vulkan"],
  // The built-in model stands for all: it writes nothing, and has no layer to spare.
  [/^qrhead (ask|eval-answer)/, "was trained to rank and cannot write"],
  [/^qrhead retrieval-heads/, "answered none of"],
  [/^qrhead slim/, "Nothing would be saved"],
  // Nothing is fetched in a test.
  [/^qrhead models pull/, "cannot be reached"],
  [/^qrhead models rm/, "No pulled model is called"],
  [/^qrhead (worker|submit)/, "cannot be used"],
];

/** An index, for the examples of commands that take one. */
const indexFile = files.path("notes.index");
{
  await using index = await openIndex(indexFile);
  await index.update([files.write("notes.txt", BOOTSTRAP_TEXT)]);
}

/** The examples of each page but those that an earlier page has too. */
const seen = new Set<string>();
const RUNS = texts
  .map(({ name, text }) => ({
    name,
    lines: [...text.matchAll(/^ {2}\$ (.*)$/gm)]
      .map(([, line]) => line!)
      .filter((line) => seen.size < seen.add(line).size),
  }))
  .filter(({ lines }) => lines.length > 0);

describe.skipIf(process.platform === "win32")("examples of", () => {
  it.each(RUNS)("$name run as they stand", { timeout: 600_000 }, async ({ name, lines }) => {
    const folder = makeFolder(name.replaceAll(" ", "-"));
    for (const line of lines) {
      const script = SMALLER.reduce((text, [pattern, smaller]) => text.replace(pattern, smaller), line);
      const { code, output } = await runShell(folder, script);
      const unable = UNABLE.find(([pattern]) => pattern.test(line));
      if (unable && code !== 0) expect(output, line).toContain(unable[1]);
      else expect({ line, code, output: code === 0 ? "" : output }).toEqual({ line, code: 0, output: "" });
    }
  });
});

function runShell(folder: string, script: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const own = { PATH: `${path.join(folder, "bin")}:${process.env.PATH}`, QRHEAD_MODELS: path.join(folder, "models") };
    // Without a Redis nothing answers at this address.
    const REDIS = redis?.url ?? "redis://127.0.0.1:1";
    const env = { ...process.env, REDIS, NO_COLOR: "1", HF_ENDPOINT: "http://127.0.0.1:65535", ...own };
    const child = spawn("sh", ["-c", script], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    child.on("error", reject).on("close", (code) => resolve({ code, output }));
  });
}

/** A folder with `qrhead` on its path and every file that an example names. */
function makeFolder(name: string): string {
  const folder = files.path(name);
  const write = (file: string, content: string) => {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), content);
  };
  const lines = (values: readonly unknown[]) => values.map((value) => `${JSON.stringify(value)}\n`).join("");
  const passages = BOOTSTRAP_TEXT.trim().split("\n\n");

  const quoted = [process.execPath, ...command].map((part) => `'${part.replaceAll("'", "'\\''")}'`).join(" ");
  write("bin/qrhead", `#!/bin/sh\nexec ${quoted} "$@"\n`);
  chmodSync(path.join(folder, "bin/qrhead"), 0o755);

  const models =
    "downloaded model my M big small small-slim large Llama-3.1-8B-Instruct-Q4_K_M Llama-3.2-3B-Instruct-Q4_K_M Qwen3-8B-Q4_K_M";
  for (const model of models.split(" ")) symlinkSync(BUILT_IN_MODEL, path.join(folder, `${model}.gguf`));

  write("notes.jsonl", lines(passages.slice(0, 3).map((text) => ({ text }))));
  write("notes.txt", passages.slice(0, 3).join("\n"));
  write("question.txt", "Why do bees dance?\n");
  write("queries.jsonl", lines([{ text: "Why do bees dance?" }, { text: "How does ice flow?" }]));
  for (const file of ["contract.md", "report.txt", "book.txt"]) write(file, passages.slice(0, 12).join("\n\n"));
  write("chat.txt", "system: Be brief.\nuser: What do bees eat?\nsystem: Be kind.\nuser: And wasps?\n");
  write("notes/a.md", passages.slice(0, 20).join("\n\n"));
  write("notes/b.md", passages.slice(20).join("\n\n"));
  const docs = passages.slice(0, 3).map((text) => ({ text }));
  write(
    "queries-with-docs.jsonl",
    lines([
      { query: "Why do bees dance?", docs },
      { query: "How does ice flow?", docs },
    ]),
  );
  if (name !== "qrhead-index") copyFileSync(indexFile, path.join(folder, "notes.index"));
  write("examples.jsonl", lines([...EXAMPLES, ...EXAMPLES].map((example, id) => ({ ...example, id }))));
  write("published.yaml", 'attn_head_set: "1-0,1-1"\n');
  const own = { format: "qrhead-heads", version: 1, heads: Array.from({ length: 12 }, (_, i) => [i >> 2, i & 3]) };
  for (const file of ["my-heads.json", "mine.json", "wu-heads.json"]) {
    if (name !== "qrhead-detect") write(file, JSON.stringify({ ...own, model: BUILT_IN_SHAPE }));
  }

  for (const set of ["beir/scifact", "beir/nfcorpus"]) {
    write(`${set}/corpus.jsonl`, lines(passages.slice(0, 6).map((text, id) => ({ _id: String(id), text }))));
    write(`${set}/queries.jsonl`, lines([{ _id: "q", text: "Why do bees dance?" }]));
    write(`${set}/qrels/test.tsv`, "query-id\tcorpus-id\tscore\nq\t1\t1\n");
  }
  const session = (text: string, answers: boolean) => [
    { role: "user", content: text, ...(answers && { has_answer: true }) },
    { role: "assistant", content: "Thank you." },
  ];
  write(
    "longmemeval_s.json",
    JSON.stringify([
      {
        ...{ question_id: "q", question_type: "single", question: "Why do bees dance?" },
        haystack_sessions: passages.slice(0, 3).map((text, index) => session(text, index === 1)),
        haystack_session_ids: ["s0", "s1", "s2"],
        haystack_dates: ["2023/01/01", "2023/01/02", "2023/01/03"],
        answer_session_ids: ["s1"],
      },
    ]),
  );
  const claim = {
    id: "c",
    book: "b",
    query: "Bees dance to show the way.",
    corrupted: "Bees dance for joy.",
    gold: [2],
  };
  write("clipper/claims.jsonl", lines([claim]));
  write(
    "clipper/books/b.json",
    JSON.stringify({ chapters: passages.slice(0, 6).map((text, i) => ({ id: i + 1, text })) }),
  );
  return folder;
}
