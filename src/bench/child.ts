import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { RankResult } from "../ranking/results.ts";
import { temporaryFolder } from "../util/temporary-folder.ts";

const execute = promisify(execFile);

/** Runs this same command line in a process of its own, which ends with the signal, and reads the JSON that it prints. */
export async function runSelf<T>(args: readonly string[], signal: AbortSignal): Promise<T> {
  const entry = process.argv[1];
  if (!entry) throw new Error("The bench needs to know the program that it runs in");
  const options = { maxBuffer: 1 << 26, signal };
  try {
    const { stdout } = await execute(process.execPath, [...process.execArgv, entry, ...args], options);
    return JSON.parse(stdout) as T;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/**
 * The time of a rerank by the command, divided by the time that the engine took in it. The difference is prompt, tokens,
 * spans, scores and ranking. Both times belong to the same call, so noise affects both.
 */
export async function commandRatio(options: {
  model?: string | undefined;
  gpu: string;
  heads: string;
  threads: number;
  words: number;
  signal: AbortSignal;
}): Promise<number> {
  const folder = await temporaryFolder("bench");
  try {
    const docs = path.join(folder, "docs.txt");
    await writeFile(docs, benchText(options.words));
    const args = [
      "rerank",
      ...(options.model ? ["--model", options.model] : []),
      ...["--gpu", options.gpu, "--heads", options.heads, "--threads", String(options.threads)],
      ...["--query", "Which of these rivers carries the most water to the sea?", "--docs", docs, "--json"],
    ];
    const { timings } = await runSelf<RankResult>(args, options.signal);
    return timings.totalMs / (timings.prefillMs + timings.nullMs + timings.queryMs);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Documents of 100 plain words each, one per line: about `words` words in all. */
function benchText(words: number): string {
  const stock = "the water of this river runs through old towns and green fields to a wide bay on the west coast".split(
    " ",
  );
  const line = (seed: number) =>
    Array.from({ length: 100 }, (_, i) => stock[(i * 7 + seed * 3 + ((i * seed) % 5)) % stock.length]).join(" ");
  return `${Array.from({ length: Math.max(2, Math.round(words / 100)) }, (_, i) => line(i + 1)).join("\n")}\n`;
}
