// Examples whose question shares few words with the passage that answers, and many with the others:
//
//   npx tsx bench/released/few-shared-words.ts --train DIR --judge EMBEDDER.gguf -o examples.jsonl [--each 40] [--seed 1]
//
// DIR holds question files, JSON Lines packed with zstd: query, positive, and answer where there is one. The others are
// BM25's best among the positives of the same file, without those that hold the answer or repeat the passage. Of --each
// such examples of a file those stay whose answer the embedder puts first, as many questions lean on a page we do not have.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { Bm25Index } from "../../src/bm25/bm25.ts";
import { termsOf } from "../../src/bm25/words.ts";
import { dense } from "../../src/eval/methods/dense.ts";
import { permute } from "../../src/eval/run.ts";

/** Files whose questions people asked, and whose passages answer without their neighbours. */
const FILES = "nq,squad_sent,squadshifts_wiki,fairytaleqa,onestopqa,stackexchange,faq,bioasq,medquad,openstax";
const DOCUMENTS = 6;
const WORDS = 60;
/** Of the five others, so many have to be ahead of the answer by BM25. */
const AHEAD = 4;
/** Questions of fewer words with a meaning say too little. */
const LEAST_TERMS = 2;
/** Of a question's words, the passage may hold this share. */
const MOST_SHARED = 0.2;

const { values } = parseArgs({
  options: {
    train: { type: "string" },
    files: { type: "string", default: FILES },
    judge: { type: "string" },
    each: { type: "string", default: "40" },
    seed: { type: "string", default: "1" },
    output: { type: "string", short: "o", default: "few-shared-words.jsonl" },
  },
});
if (values.train === undefined) throw new Error("Expected --train DIR with the question files");
if (values.judge === undefined) throw new Error("Expected --judge with a GGUF that embeds");

await using judge = await dense(values.judge, "judge", "judge").open({ load: { gpu: false, threads: 1 } });
type Row = { query: string; positive: string; answer?: string };
const seed = Number(values.seed);
const lines: string[] = [];
for (const file of values.files.split(",")) {
  const packed = path.join(values.train, `${file}.jsonl.zst`);
  const text = execFileSync("zstd", ["-dcq", "--long=27", packed], { encoding: "utf8", maxBuffer: 2 ** 30 });
  const rows = text.split("\n").filter(Boolean);
  const found = choose(
    rows.map((row) => JSON.parse(row) as Row),
    file,
  );
  const kept: typeof found = [];
  for (const example of found) if (await isClear(example)) kept.push(example);
  console.log(`${file}: ${kept.length} of ${found.length}`);
  lines.push(...kept.map((example) => JSON.stringify(example)));
}
writeFileSync(values.output, `${lines.join("\n")}\n`);

function choose(rows: readonly Row[], file: string) {
  const passages = new Map<string, string>();
  for (const { positive, answer } of rows) {
    const cut = passageOf(positive, answer);
    if (cut !== undefined) passages.set(positive, cut);
  }
  const texts = [...new Set(passages.values())];
  const index = Bm25Index.of(texts);
  const ids = texts.map((_, at) => String(at));
  const found = [];
  for (const at of permute(rows.length, seed)) {
    if (found.length === Number(values.each)) break;
    const { query, positive, answer } = rows[at]!;
    const gold = passages.get(positive);
    if (gold === undefined || sharedWords(query, gold) > MOST_SHARED) continue;
    const ranked = index.search(query, 200, ids).map((hit) => ({ ...hit, text: texts[hit.index]! }));
    const others = ranked.filter(({ text }) => text !== gold && !holds(text, answer) && !repeats(text, gold));
    const own = ranked.find(({ text }) => text === gold)?.score ?? 0;
    const best = others.slice(0, DOCUMENTS - 1);
    if (best.length < DOCUMENTS - 1 || best.filter(({ score }) => score > own).length < AHEAD) continue;
    const all = [gold, ...best.map(({ text }) => text)];
    const order = permute(all.length, seed + at);
    found.push({
      id: `${file}-${at}`,
      query,
      docs: order.map((place) => ({ id: String(place), text: all[place]! })),
      gold: ["0"],
    });
  }
  return found;
}

/** Whether the embedder puts the answer first. */
async function isClear({ id, query, docs, gold }: ReturnType<typeof choose>[number]): Promise<boolean> {
  const topic = { id, query, grades: new Map<string, number>() };
  const { scores } = await judge.rank({ topic, documents: docs, scores: [], bm25: async () => [] });
  const best = scores.indexOf(Math.max(...scores));
  return gold.includes(docs[best]!.id);
}

/** The whole passage where it is short, else the words around its answer. */
function passageOf(positive: string, answer: string | undefined): string | undefined {
  const words = positive.split(/\s+/).filter(Boolean);
  if (words.length <= WORDS) return words.join(" ");
  const at = answer === undefined ? -1 : positive.toLowerCase().indexOf(answer.toLowerCase());
  if (at < 0) return undefined;
  const before = positive.slice(0, at).split(/\s+/).filter(Boolean).length;
  const begin = Math.max(0, Math.min(before - WORDS / 3, words.length - (2 * WORDS) / 3));
  return words.slice(begin, begin + (2 * WORDS) / 3).join(" ");
}

/** Share of a question's words that a passage holds, stemmed, without words that say nothing. 1 where it has too few. */
function sharedWords(query: string, passage: string): number {
  const terms = [...new Set(termsOf(query, "light"))];
  const held = new Set(termsOf(passage, "light"));
  return terms.length < LEAST_TERMS ? 1 : terms.filter((term) => held.has(term)).length / terms.length;
}

function holds(text: string, answer: string | undefined): boolean {
  return answer !== undefined && answer !== "" && text.toLowerCase().includes(answer.toLowerCase());
}

/** Whether two passages share more than a third of their words. */
function repeats(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => new Set(termsOf(text, "light"))) as [Set<string>, Set<string>];
  const shared = [...left].filter((term) => right.has(term)).length;
  return shared > Math.min(left.size, right.size) / 3;
}
