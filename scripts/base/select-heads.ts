// Which heads rank, and how deep the model must be: from the lines of collect.ts.
//
//   npx tsx scripts/base/select-heads.ts lines.jsonl --first 8
//
// For each depth and number of heads: nDCG@10 less BM25's, heads chosen on four fifths of the questions and measured on the
// fifth, mean of 60 draws, with the standard error over questions; then the same fused with BM25. Heads are chosen by their
// own nDCG, one by one; the sum over heads is without the outlier mask.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { mean } from "../../src/eval/metrics/statistics.ts";
import { headKey, seededRandom } from "../../src/heads/heads.ts";
import { fuseScores } from "../../src/ranking/fusion.ts";
import type { Line } from "./lines.ts";

const DRAWS = 60;
const FOLDS = 5;
const HEADS_A_LAYER = 9;

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    first: { type: "string", default: "8" },
    depths: { type: "string", default: "9,14,17,18,22" },
    counts: { type: "string", default: "3,4,5,6,8,12" },
    weights: { type: "string", default: "0.3,0.5,0.6,0.7" },
  },
});
const numbers = (text: string) => text.split(",").map(Number);
const first = Number(given.first);
const lines = positionals.flatMap((file) =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line),
);

/** One document answers: 1 / log2(1 + its rank), equal scores sharing their mean rank. */
function ndcg(scores: readonly number[], { gold }: Line): number {
  const own = scores[gold.indexOf(1)]!;
  const above = scores.filter((score) => score > own).length;
  const equal = scores.filter((score) => score === own).length;
  return 1 / Math.log2(above + (equal - 1) / 2 + 2);
}

function sumOf(line: Line, heads: readonly number[]): number[] {
  return line.gold.map((_, document) => heads.reduce((sum, head) => sum + line.heads[head]![document]!, 0));
}

const headCount = lines[0]!.heads.length;
const layerOf = (head: number) => first + Math.floor(head / HEADS_A_LAYER);
const nameOf = (head: number) => headKey([layerOf(head), head % HEADS_A_LAYER]);
const single = Array.from({ length: headCount }, (_, head) => lines.map((line) => ndcg(line.heads[head]!, line)));
const bm25 = lines.map((line) => ndcg(line.bm25, line));

function best(depth: number, count: number, questions: readonly number[]): number[] {
  const value = (head: number) => mean(questions.map((i) => single[head]![i]!));
  const heads = Array.from({ length: headCount }, (_, head) => head).filter((head) => layerOf(head) <= depth);
  const keyed = heads.map((head) => ({ head, value: value(head) }));
  return keyed
    .sort((a, b) => b.value - a.value || a.head - b.head)
    .slice(0, count)
    .map(({ head }) => head);
}

const all = lines.map((_, i) => i);
console.log(`${lines.length} questions, BM25 ${mean(bm25).toFixed(3)}`);
for (const depth of numbers(given.depths)) {
  const shown = best(depth, 12, all).map((head) => `${nameOf(head)} ${mean(single[head]!).toFixed(3)}`);
  console.log(`\nlayers 0 to ${depth}: ${shown.join(", ")}`);
  for (const count of numbers(given.counts)) {
    const weights = [1, ...numbers(given.weights)];
    const sums = weights.map(() => new Array<number>(lines.length).fill(0));
    const random = seededRandom(1);
    for (let draw = 0; draw < DRAWS; draw++) {
      const fold = all.map(() => Math.floor(random() * FOLDS));
      for (let held = 0; held < FOLDS; held++) {
        const heads = best(
          depth,
          count,
          all.filter((i) => fold[i] !== held),
        );
        for (const i of all.filter((i) => fold[i] === held)) {
          const scores = sumOf(lines[i]!, heads);
          for (const [w, weight] of weights.entries()) {
            sums[w]![i]! += ndcg(fuseScores(scores, lines[i]!.bm25, { weight }), lines[i]!) / DRAWS;
          }
        }
      }
    }
    const cells = sums.map((values, w) => {
      const differences = values.map((value, i) => value - bm25[i]!);
      const error = Math.sqrt(mean(differences.map((d) => (d - mean(differences)) ** 2)) / lines.length);
      return `${weights[w]}: ${mean(differences).toFixed(4)} ± ${error.toFixed(4)}`;
    });
    console.log(`  ${count} heads, by the heads' weight ${cells.join(", ")}`);
  }
}
