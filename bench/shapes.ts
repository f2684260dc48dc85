// `qrhead bench` on models of several shapes, each in a process of its own: ranking beside plain `llama_decode` and beside
// the same passes without capture.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { BenchReport } from "../src/bench/report.ts";
import type { Row, Settings } from "./rows.ts";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const cached = (...parts: string[]) => path.join(root, ".cache", ...parts);

/** 16 heads over eight layers, the deepest in layer 14 of 24. */
const HALF_A_BILLION_HEADS = Array.from({ length: 16 }, (_, i) => `${14 - (i % 8)}-${(i * 5) % 14}`).join(",");
export const HALF_A_BILLION = { model: cached("models", "bench-0.5b.gguf"), heads: HALF_A_BILLION_HEADS } as const;
const SMOLLM2 = cached("real", "SmolLM2-135M-Instruct.Q4_1.gguf");

type Goals = Readonly<Record<string, number | null>>;

const RANK = "rerank / plain decode";
const CAPTURE = "capture / the same early-stopped passes";
const ALL = "all heads (ICR) / plain decode";
const FURTHER = "a further query / the first call";
const SOFT_MAX = "reading kq_soft_max / rerank";

/** Its rows by name, with what is asked of them; those that are not named are not shown. */
function* benchRows(what: string, file: string | undefined, goals: Goals, ...args: string[]): Generator<Row> {
  if (file && !existsSync(file)) return console.log(`| ${what}: \`npm run models:real\` makes the model | | | |`);
  const { status, stdout } = spawnSync(
    process.execPath,
    [
      ...["--import", "tsx", "src/cli/main.ts", "bench", "--json", "--quiet", "--gpu", "false"],
      ...(file ? ["--model", file] : []),
      ...args,
    ],
    { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 26 },
  );
  if (status !== 0) throw new Error(`qrhead bench ended with ${status}`);
  const { rows, medians, machine } = JSON.parse(stdout) as BenchReport;
  const plain = `plain llama_decode ${medians.plain?.totalMs.toFixed(0)} ms, ${machine.threads} thread(s)`;
  for (const { name, value } of rows) {
    const atMost = goals[name];
    if (atMost !== undefined) yield { measure: `${what}: ${name}`, value, atMost, detail: name === RANK ? plain : "" };
  }
}

const size = (documents: number, query: number) => [
  ...["--document-tokens", String(documents)],
  ...["--query-tokens", String(query)],
];

/** A random model of Qwen2.5-0.5B's shape. */
export function* halfABillion({ rounds }: Settings): Generator<Row> {
  const { model, heads } = HALF_A_BILLION;
  yield* benchRows(
    "0.5B, 4,096 + 40 tokens",
    model,
    {
      [RANK]: 0.58,
      [CAPTURE]: 1.02,
      [ALL]: 1.15,
      [FURTHER]: null,
      [SOFT_MAX]: null,
      "peak memory of rerank / plain decode": 1.05,
    },
    ...size(4096, 40),
    ...["--heads", heads, "--rounds", String(rounds)],
  );
}

/** A released model of 135 million parameters. */
export function* smollm2({ rounds }: Settings): Generator<Row> {
  const options = ["--no-memory", "--rounds", String(rounds)];
  yield* benchRows(
    "SmolLM2, 256 + 33 tokens, one thread",
    SMOLLM2,
    { [RANK]: 0.9, [ALL]: 1.1, [FURTHER]: 0.1, [SOFT_MAX]: null },
    ...size(256, 33),
    ...["--threads", "1", ...options],
  );
  yield* benchRows(
    "SmolLM2, 2,048 + 40 tokens, two threads",
    SMOLLM2,
    { [RANK]: 0.8, [ALL]: 1.05, [FURTHER]: null, [SOFT_MAX]: null },
    ...size(2048, 40),
    ...["--threads", "2", ...options],
  );
}

/** The built-in model. */
export function* mini({ rounds }: Settings): Generator<Row> {
  const options = ["--no-memory", "--rounds", String(Math.max(rounds, 5))];
  yield* benchRows(
    "mini, 2,048 + 40 tokens",
    undefined,
    { [RANK]: 0.75, [CAPTURE]: 1.05, [FURTHER]: null, [SOFT_MAX]: null },
    ...[...size(2048, 40), ...options],
  );
  yield* benchRows(
    "mini, 3 documents of 100 tokens + 40",
    undefined,
    { [RANK]: 0.95, [FURTHER]: null },
    ...[...size(300, 40), ...options],
  );
}
