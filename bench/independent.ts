// What the independent layout costs in quality and gains in speed against the listwise one.
//
//   npx tsx bench/independent.ts quality CANDIDATES TOKENS DIR…   DIR has corpus.jsonl, queries.jsonl and qrels.tsv, as BEIR has
//   npx tsx bench/independent.ts speed [MODEL] [COUNT…]
//
// Candidates are the best of BM25, cut to so many tokens; the best stands last, next to the query.
import { readFileSync } from "node:fs";
import path from "node:path";
import { Bm25Index } from "../src/bm25/bm25.ts";
import { seededRandom } from "../src/heads/heads.ts";
import { QRRetriever, type RankDocument, type RankResult } from "../src/index.ts";
import { mean } from "../src/util/mean.ts";

const QUERIES = 50;
const DOCUMENT_TOKENS = 100;
const LAYOUTS = ["listwise", "independent"] as const;

type Grades = Map<string, number>;

function readSet(folder: string) {
  const lines = (name: string) => readFileSync(path.join(folder, name), "utf8").split("\n").filter(Boolean);
  const rows = (name: string) =>
    lines(name).map((line) => JSON.parse(line) as { _id: string; title?: string; text: string });
  // The title counts as text, so that cutting bounds the whole.
  const documents = rows("corpus.jsonl").map(({ _id, title, text }): RankDocument => {
    return { id: _id, text: title ? `${title}\n${text}` : text };
  });
  const qrels = new Map<string, Grades>();
  for (const line of lines("qrels.tsv").slice(1)) {
    const [query, document, grade] = line.split("\t") as [string, string, string];
    if (Number(grade) > 0)
      qrels.set(query, (qrels.get(query) ?? new Map<string, number>()).set(document, Number(grade)));
  }
  const queries = rows("queries.jsonl").filter(({ _id }) => qrels.has(_id));
  const random = seededRandom(1);
  const order = queries.map((query) => ({ query, key: random() })).sort((a, b) => a.key - b.key);
  return { documents, qrels, queries: order.slice(0, QUERIES).map(({ query }) => query) };
}

/** nDCG@10 with gains 2^grade − 1. */
function ndcg(ranking: readonly string[], grades: Grades): number {
  const sum = (values: readonly number[]) =>
    values.slice(0, 10).reduce((total, grade, rank) => total + (2 ** grade - 1) / Math.log2(rank + 2), 0);
  return sum(ranking.map((id) => grades.get(id) ?? 0)) / sum([...grades.values()].sort((a, b) => b - a));
}

const idsOf = ({ results }: RankResult) => results.map(({ id }) => id);

async function quality(candidates: number, maxDocumentTokens: number, folders: readonly string[]): Promise<void> {
  await using retriever = await QRRetriever.load({ gpu: false, threads: 1, maxDocumentTokens, order: "reverse" });
  console.log(
    `| set | first stage | listwise | independent | difference, 95 % | top-1 agrees |\n|---|---|---|---|---|---|`,
  );
  for (const folder of folders) {
    const { documents, qrels, queries } = readSet(folder);
    const ids = documents.map(({ id }) => id);
    const index = Bm25Index.of(documents.map(({ text }) => text));
    const scores: Record<string, number[]> = { first: [], listwise: [], independent: [] };
    let agree = 0;
    for (const { _id, text } of queries) {
      const found = index.search(text, candidates, ids).map((one) => documents[one.index]!);
      const grades = qrels.get(_id)!;
      scores.first!.push(
        ndcg(
          found.map(({ id }) => id),
          grades,
        ),
      );
      const best = new Set<string>();
      for (const layout of LAYOUTS) {
        const ranking = idsOf(await retriever.rank(text, found, { layout }));
        best.add(ranking[0]!);
        scores[layout]!.push(ndcg(ranking, grades));
      }
      if (best.size === 1) agree++;
    }
    const differences = scores.independent!.map((score, i) => score - scores.listwise![i]!);
    const deviation = Math.sqrt(mean(differences.map((d) => (d - mean(differences)) ** 2)));
    const half = (1.96 * deviation) / Math.sqrt(differences.length);
    const cells = [scores.first!, scores.listwise!, scores.independent!].map((values) => mean(values).toFixed(3));
    const difference = `${mean(differences).toFixed(3)} ± ${half.toFixed(3)}`;
    console.log(`| ${path.basename(folder)} | ${cells.join(" | ")} | ${difference} | ${agree} of ${queries.length} |`);
  }
}

const WORDS =
  "river stone bridge winter market engine garden letter copper island window shadow morning valley paper".split(" ");

async function speed(model: string | undefined, counts: readonly number[]): Promise<void> {
  const random = seededRandom(2);
  const word = () => WORDS[Math.floor(random() * WORDS.length)]!;
  const text = () => Array.from({ length: 110 }, word).join(" ");
  const options = {
    gpu: false,
    threads: 1,
    maxDocumentTokens: DOCUMENT_TOKENS,
    ...(model && { model, heads: "14-1,14-5,12-3,10-2" }),
  } as const;
  const query = "Which of these mentions a copper bridge on an island in winter?";
  console.log(
    "| documents | listwise | its next query | independent | its next query | the same documents in other company |\n|---|---|---|---|---|---|",
  );
  for (const count of counts) {
    const documents = Array.from({ length: count }, text);
    await using retriever = await QRRetriever.load(options);
    const seconds = async (layout: (typeof LAYOUTS)[number], given = documents) => {
      try {
        // Processor time of one thread: it hardly depends on what else the machine does.
        const before = process.cpuUsage();
        await retriever.rank(query, given, { layout });
        const { user, system } = process.cpuUsage(before);
        return `${((user + system) / 1e6).toPrecision(3)} s`;
      } catch (error) {
        return error instanceof Error && error.name === "ContextOverflowError" ? "does not fit" : Promise.reject(error);
      }
    };
    const cells = [
      await seconds("listwise"),
      await seconds("listwise"),
      await seconds("independent"),
      await seconds("independent"),
    ];
    // One more takes the place of another: all others come from memory, and the cache is filled anew.
    cells.push(await seconds("independent", [...documents.slice(1), text()]));
    console.log(`| ${count} | ${cells.join(" | ")} |`);
  }
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === "quality" && rest.length > 2) await quality(Number(rest[0]), Number(rest[1]), rest.slice(2));
else if (mode === "speed") {
  const counts = rest.filter((argument) => /^\d+$/.test(argument)).map(Number);
  await speed(
    rest.find((argument) => !/^\d+$/.test(argument)),
    counts.length > 0 ? counts : [1, 10, 100, 1000],
  );
} else {
  console.error("Expected quality CANDIDATES TOKENS DIR… or speed [MODEL] [COUNT…]");
  process.exitCode = 2;
}
