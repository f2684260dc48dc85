// What a corpus costs beside the engine's own work: processor time of a later query over much text, threads that a query starts, bytes of a saved
// corpus, and what 8-bit cells do to scores.
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Corpus, QRRetriever, type RankResult } from "../src/index.ts";
import { middle, queries, type Row, type Settings, texts } from "./rows.ts";

/** Pages of this project, and what they answer. */
const PAGES = ["engine.md", "corpus.md", "limits.md"];
const QUESTIONS = [
  "How is a corpus saved?",
  "How many threads does a context start?",
  "What happens to scores with an eight-bit cache?",
  "When does a query stop after it was aborted?",
  "Which layers does a GPU hold?",
  "What does a damaged model file do?",
];

/** What stands between empty lines, without tables and code. */
function paragraphs(): string[] {
  const folder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../docs");
  const texts = PAGES.map((page) => readFileSync(path.join(folder, page), "utf8"));
  return texts.flatMap((text) => text.split(/\n\n+/)).filter((text) => text.length > 80 && !/^[|`#]/.test(text));
}

export async function* corpusRows({ rounds, model }: Settings): AsyncGenerator<Row> {
  const folder = mkdtempSync(path.join(tmpdir(), "qrhead-bench-"));
  try {
    const saved = new Map<string, { rankings: RankResult[]; perToken: number }>();
    for (const cacheType of ["f16", "q8_0"] as const) {
      await using retriever = await QRRetriever.load({
        ...{ model, gpu: false, threads: 2, cacheTypeK: cacheType, cacheTypeV: cacheType },
      });
      if (cacheType === "f16") yield* laterQueries(retriever, rounds);
      await using corpus = await retriever.corpus(paragraphs(), { layout: "independent" });
      const rankings: RankResult[] = [];
      for (const query of QUESTIONS) rankings.push(await corpus.rank(query, { fuse: "none" }));
      const file = path.join(folder, `${cacheType}.corpus`);
      await corpus.save(file);
      const { results, usage } = rankings[0]!;
      const tokens = usage.documentTokens.reduce((sum, count) => sum + count, 0);
      saved.set(cacheType, { rankings, perToken: statSync(file).size / tokens });
      yield {
        measure: `${retriever.model.name}, saved corpus of ${results.length} paragraphs, ${cacheType}: bytes for each of their tokens`,
        ...{ value: saved.get(cacheType)!.perToken, unit: " B", atMost: null },
        detail: `cells of all layers: ${cellBytes(retriever, cacheType)} B a token`,
      };
    }
    const [plain, small] = [saved.get("f16")!.rankings, saved.get("q8_0")!.rankings];
    const moves = plain.map((ranking, index) => largestMove(ranking, small[index]!));
    const sameBest = plain.filter((ranking, index) => ranking.results[0]!.id === small[index]!.results[0]!.id).length;
    yield {
      measure: "q8_0 cells: largest move of a score, % of the best document's, mean of six questions",
      ...{ value: (100 * moves.reduce((sum, move) => sum + move, 0)) / moves.length, unit: " %", atMost: null },
      detail: `the same document is best in ${sameBest} of ${plain.length}`,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function* laterQueries(retriever: QRRetriever, rounds: number): AsyncGenerator<Row> {
  const documents = texts(700, 85, 4);
  const bytes = documents.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  await using corpus = await retriever.corpus(documents, { layout: "independent" });
  await corpus.rank(queries[0]!);
  const times: number[] = [];
  for (let round = 0; round < Math.max(rounds, 9); round++) times.push(await outsideTheEngine(corpus, round));
  yield {
    measure: `${retriever.model.name}, later query over ${Math.round(bytes / 1000)} KB: processor time outside the engine`,
    ...{
      value: middle(times),
      unit: " ms",
      atMost: 10,
      detail: `700 documents; least ${Math.min(...times).toFixed(1)} ms`,
    },
  };
  const started: number[] = [];
  for (let round = 0; round < 9; round++) {
    const before = newestThread();
    await corpus.rank(queries[round]!);
    const more = newestThread() - before;
    if (more >= 0) started.push(more);
  }
  // Others on the machine only add to it.
  if (process.platform === "linux") {
    yield { measure: "threads that a later query starts", value: Math.min(...started), unit: " threads", atMost: 0 };
  }
}

/** Milliseconds of the process, less those of the forward passes. */
async function outsideTheEngine(corpus: Corpus, round: number): Promise<number> {
  const before = process.cpuUsage();
  const { timings } = await corpus.rank(queries[1 + (round % 9)]!, { fuse: "none" });
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 - timings.cpuMs!;
}

/** The number that Linux gave last to a process or a thread; it counts up, and begins anew at some time. */
function newestThread(): number {
  return process.platform === "linux" ? Number(readFileSync("/proc/loadavg", "utf8").trim().split(" ").at(-1)) : 0;
}

function largestMove(ranking: RankResult, other: RankResult): number {
  const scores = new Map(other.results.map(({ id, score }) => [id, score]));
  return (
    Math.max(...ranking.results.map(({ id, score }) => Math.abs(score - scores.get(id)!))) / ranking.results[0]!.score
  );
}

function cellBytes({ model }: QRRetriever, type: "f16" | "q8_0"): number {
  const number = (name: string) => Number(model.metadata[`${model.architecture}.${name}`]);
  const size = number("embedding_length") / number("attention.head_count");
  return 2 * model.layers * number("attention.head_count_kv") * size * (type === "f16" ? 2 : 34 / 32);
}
