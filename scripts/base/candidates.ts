// BM25's candidates of the queries of an evaluation with their texts, one JSON line a query, for rankers outside of qrhead.
//
//   npx tsx scripts/base/candidates.ts --data beir/cranfield --data locomo --limit 25 --output candidates.jsonl
import { appendFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Bm25Index } from "../../src/bm25/bm25.ts";
import { openTask } from "../../src/eval/data/open.ts";
import { drawTopics } from "../../src/eval/run.ts";

const { values: given } = parseArgs({
  options: {
    data: { type: "string", multiple: true, default: [] },
    output: { type: "string" },
    depth: { type: "string", default: "10" },
    limit: { type: "string", default: "25" },
    seed: { type: "string", default: "42" },
  },
});
if (!given.output) throw new Error("Expected --output FILE");

/** A query, its candidates best first, and what is known of them. */
export type CandidateLine = {
  task: string;
  query: string;
  text: string;
  docs: { id: string; title?: string; text: string }[];
  /** Scores of BM25 over the whole collection, and over these documents alone. */
  bm25: number[];
  alone: number[];
  grades: Record<string, number>;
};

writeFileSync(given.output, "");
for (const source of given.data) {
  await using task = await openTask(source, { depth: Number(given.depth) });
  for (const topic of drawTopics(task.topics, Number(given.limit), Number(given.seed))) {
    const { documents, scores } = await task.candidates(topic);
    const docs = documents.map(({ id, title, text }) => ({ id: String(id), ...(title && { title }), text }));
    const index = Bm25Index.of(docs.map(({ title, text }) => (title ? `${title} ${text}` : text)));
    const alone = index.scores(
      topic.query,
      docs.map((_, i) => i),
    );
    const line: CandidateLine = {
      ...{ task: task.name, query: topic.id, text: topic.query, docs, bm25: scores, alone },
      grades: Object.fromEntries(topic.grades),
    };
    appendFileSync(given.output, `${JSON.stringify(line)}\n`);
  }
}
